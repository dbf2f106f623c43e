/*
 * TAHQ: a codec for the activations and gradients of pipeline-parallel transformers.
 *
 * Generated from the Rust sources by cbindgen; do not edit. The frame format is SPEC.md, and the meaning of the
 * configuration is in README.md and docs/.
 *
 * Buffers are the caller's: nothing is allocated, kept or freed here. Sizes are bytes, always; `_len` counts the entries
 * of a table. A buffer that is written to may not overlap any other argument. A null pointer (where a size is not 0), a
 * misaligned pointer, an overlap, a size that wraps and an unknown number each give a status and nothing worse. What no
 * library can check is the caller's word: that a pointer which is not null has so many bytes behind it, which may be read,
 * or written, until the call returns.
 *
 * Functions return a tahq_status and take an optional tahq_error (null: none), which tells more. After an error in a
 * decoder its output holds zeros, also where the arguments themselves were refused, unless the output's pointer is null
 * or its size impossible.
 *
 * Threads: there is no state. All functions may be called from any threads at the same time, as long as none writes to
 * what another uses. Strings that are returned are static.
 */


#ifndef TAHQ_H
#define TAHQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of this interface. It changes where a program has to be compiled again.
 */
#define TAHQ_ABI_VERSION 1

/**
 * Bytes of a frame before its body.
 */
#define TAHQ_HEADER_SIZE 28

/**
 * Bytes of a frame after its body.
 */
#define TAHQ_CHECKSUM_SIZE 4

/**
 * What a function returns: TAHQ_STATUS_OK, or why it did nothing. The numbers stay as they are; new ones may be
 * added. Those from 100 on are the configuration's, from 200 on the encoder's, from 300 on the decoder's.
 */
enum tahq_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Done.
     */
    TAHQ_STATUS_OK = 0,
    /**
     * A pointer is null where it may not be; a buffer's may be where its size is 0.
     */
    TAHQ_STATUS_NULL_POINTER = 1,
    /**
     * A pointer is not aligned for what it points to.
     */
    TAHQ_STATUS_MISALIGNED = 2,
    /**
     * A buffer that is written to overlaps another argument.
     */
    TAHQ_STATUS_OVERLAP = 3,
    /**
     * A size that no buffer can have at its address.
     */
    TAHQ_STATUS_BAD_SIZE = 4,
    /**
     * A `struct_size` that this library does not know, too short or of a later version: was it set?
     */
    TAHQ_STATUS_STRUCT_SIZE = 5,
    /**
     * A number that none of the values of its type has, or a reserved field that is not 0.
     */
    TAHQ_STATUS_UNKNOWN_VALUE = 6,
    /**
     * This machine does not have the instruction-set level asked for.
     */
    TAHQ_STATUS_LEVEL_UNAVAILABLE = 7,
    /**
     * The header was made for another ABI than the library.
     */
    TAHQ_STATUS_ABI_VERSION = 8,
    /**
     * An error that has no code of its own yet.
     */
    TAHQ_STATUS_OTHER = 99,
    /**
     * Code widths out of rule: 1 <= hi <= 8, lo <= hi, and lo >= 1 where rows are ranked (`found`: 256 hi + lo).
     */
    TAHQ_STATUS_CONFIG_WIDTHS = 100,
    /**
     * The share is not between 0 and 1 (`found`: its parts, `expected`: of how many).
     */
    TAHQ_STATUS_CONFIG_SHARE = 101,
    /**
     * The rotation threshold is not a number of at least 0.
     */
    TAHQ_STATUS_CONFIG_TAU = 102,
    /**
     * The pruning threshold is not finite or below 0.
     */
    TAHQ_STATUS_CONFIG_PRUNE = 103,
    /**
     * The input does not hold rows x width elements (`needed`, `available`: elements).
     */
    TAHQ_STATUS_ENCODE_INPUT_LENGTH = 200,
    /**
     * The output buffer is too short (`needed`, `available`: bytes).
     */
    TAHQ_STATUS_ENCODE_OUTPUT_LENGTH = 201,
    /**
     * The body would reach 2^32 bytes, or a size does not fit `size_t`.
     */
    TAHQ_STATUS_ENCODE_FRAME_TOO_LARGE = 202,
    /**
     * NaN or an infinity (`row`, `channel`).
     */
    TAHQ_STATUS_ENCODE_NON_FINITE = 203,
    /**
     * A given channel exponent does not fit the tensor (`row`, `channel`).
     */
    TAHQ_STATUS_ENCODE_EXPONENT_OVERFLOW = 204,
    /**
     * A table of channel exponents is asked for and none was given.
     */
    TAHQ_STATUS_ENCODE_TABLE_MISSING = 205,
    /**
     * The table of channel exponents does not hold one for each channel (`needed`, `available`).
     */
    TAHQ_STATUS_ENCODE_TABLE_LENGTH = 206,
    /**
     * An exponent of the given table is below -126 (`channel`).
     */
    TAHQ_STATUS_ENCODE_TABLE_RANGE = 207,
    /**
     * The row mask does not hold one entry for each row, or the allocation drops no rows (`needed`, `available`).
     */
    TAHQ_STATUS_ENCODE_MASK = 208,
    /**
     * Rows that the frame does not have (`row`: the first, `needed`: one past the last, `available`: the frame's).
     */
    TAHQ_STATUS_ENCODE_ROW_RANGE = 209,
    /**
     * The input is no whole number of elements.
     */
    TAHQ_STATUS_ENCODE_MISALIGNED = 210,
    /**
     * The configuration needs the whole tensor and cannot encode row by row.
     */
    TAHQ_STATUS_ENCODE_NOT_BY_ROWS = 211,
    /**
     * A stream of rows was ended early (`available`: rows encoded, `needed`: rows of the frame).
     */
    TAHQ_STATUS_ENCODE_ROWS_MISSING = 212,
    /**
     * Fewer bytes than the frame has (`needed`, `available`: bytes).
     */
    TAHQ_STATUS_DECODE_TRUNCATED = 300,
    /**
     * More bytes than the one frame (`needed`, `available`: bytes).
     */
    TAHQ_STATUS_DECODE_TRAILING_BYTES = 301,
    /**
     * Not a TAHQ frame (`found`: the first four bytes, the first lowest).
     */
    TAHQ_STATUS_DECODE_BAD_MAGIC = 302,
    /**
     * A version that this library does not know (`found`).
     */
    TAHQ_STATUS_DECODE_UNSUPPORTED_VERSION = 303,
    /**
     * An encoding that means nothing (`found`).
     */
    TAHQ_STATUS_DECODE_UNKNOWN_ENCODING = 304,
    /**
     * A tile size that means nothing (`found`: its log2).
     */
    TAHQ_STATUS_DECODE_BAD_TILE_SIZE = 305,
    /**
     * Code widths out of rule (`found`: hi in bits 4 to 7, lo in bits 0 to 3).
     */
    TAHQ_STATUS_DECODE_BAD_WIDTHS = 306,
    /**
     * A source type that means nothing (`found`).
     */
    TAHQ_STATUS_DECODE_UNKNOWN_SOURCE_TYPE = 307,
    /**
     * A channel-exponents field that means nothing (`found`).
     */
    TAHQ_STATUS_DECODE_UNKNOWN_EXPONENTS = 308,
    /**
     * A table check although no table is agreed (`found`).
     */
    TAHQ_STATUS_DECODE_BAD_TABLE_CHECK = 309,
    /**
     * A quota out of rule (`found`, `expected`: the most).
     */
    TAHQ_STATUS_DECODE_BAD_QUOTA = 310,
    /**
     * The body-length field is not what the other fields give (`found`, `expected`).
     */
    TAHQ_STATUS_DECODE_BODY_LENGTH = 311,
    /**
     * The body would reach 2^32 bytes, or a size does not fit `size_t`.
     */
    TAHQ_STATUS_DECODE_FRAME_TOO_LARGE = 312,
    /**
     * The checksum does not match (`found` in the frame, `expected` by its bytes).
     */
    TAHQ_STATUS_DECODE_CHECKSUM = 313,
    /**
     * Padding of a raw body is not zero (`found`: its offset in the body).
     */
    TAHQ_STATUS_DECODE_RAW_PADDING = 314,
    /**
     * Padding after the channel exponents is not zero (`found`: its offset in the body).
     */
    TAHQ_STATUS_DECODE_EXPONENT_PADDING = 315,
    /**
     * A channel exponent in the frame is below -126 (`channel`).
     */
    TAHQ_STATUS_DECODE_EXPONENT_RANGE = 316,
    /**
     * Unused bits of the row map are set.
     */
    TAHQ_STATUS_DECODE_ROW_MAP_PADDING = 317,
    /**
     * The row map does not have `quota` bits set (`found`, `expected`).
     */
    TAHQ_STATUS_DECODE_ROW_MAP_COUNT = 318,
    /**
     * A row's base is above 222 (`row`, `found`).
     */
    TAHQ_STATUS_DECODE_BAD_BASE = 319,
    /**
     * The bytes after a row's base are not zero (`row`).
     */
    TAHQ_STATUS_DECODE_ROW_PADDING = 320,
    /**
     * Unused bits of a row's tile map are set (`row`).
     */
    TAHQ_STATUS_DECODE_TILE_MAP_PADDING = 321,
    /**
     * A row's tile map does not have `quota` bits set (`row`, `found`, `expected`).
     */
    TAHQ_STATUS_DECODE_TILE_MAP_COUNT = 322,
    /**
     * A transform byte that means nothing (`row`, `tile`, `found`).
     */
    TAHQ_STATUS_DECODE_BAD_TRANSFORM = 323,
    /**
     * The frame needs the agreed table of channel exponents and none was given.
     */
    TAHQ_STATUS_DECODE_TABLE_MISSING = 324,
    /**
     * The agreed table does not hold one exponent for each channel (`needed`, `available`).
     */
    TAHQ_STATUS_DECODE_TABLE_LENGTH = 325,
    /**
     * The agreed table is not the frame's (`found`: its check, `expected`: the frame's).
     */
    TAHQ_STATUS_DECODE_TABLE_MISMATCH = 326,
    /**
     * An exponent of the agreed table is below -126 (`channel`).
     */
    TAHQ_STATUS_DECODE_TABLE_RANGE = 327,
    /**
     * The output buffer does not have the size of what is decoded (`needed`, `available`: elements).
     */
    TAHQ_STATUS_DECODE_OUTPUT_LENGTH = 328,
    /**
     * Rows that the frame does not have (`row`: the first, `needed`: one past the last, `available`: the frame's).
     */
    TAHQ_STATUS_DECODE_ROW_RANGE = 329,
    /**
     * The output is no whole number of elements.
     */
    TAHQ_STATUS_DECODE_MISALIGNED = 330,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_status tahq_status;
#else
typedef int32_t tahq_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The type of an element. The same numbers as on the wire.
 */
enum tahq_element
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * IEEE 754 binary32, `float`.
     */
    TAHQ_ELEMENT_F32 = 1,
    /**
     * IEEE 754 binary16.
     */
    TAHQ_ELEMENT_F16 = 2,
    /**
     * bfloat16, the upper half of a binary32.
     */
    TAHQ_ELEMENT_BF16 = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_element tahq_element;
#else
typedef uint32_t tahq_element;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An instruction-set level. Every level gives the same bytes and values.
 */
enum tahq_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The fastest that the machine has.
     */
    TAHQ_LEVEL_AUTO = 0,
    /**
     * Portable code, always there.
     */
    TAHQ_LEVEL_SCALAR = 1,
    /**
     * x86-64 with AVX2 and FMA.
     */
    TAHQ_LEVEL_AVX2 = 2,
    /**
     * x86-64 with AVX-512 F, BW, VL, VBMI and VNNI, and GFNI.
     */
    TAHQ_LEVEL_AVX512 = 3,
    /**
     * AArch64 with NEON.
     */
    TAHQ_LEVEL_NEON = 4,
    /**
     * WebAssembly with simd128.
     */
    TAHQ_LEVEL_SIMD128 = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_level tahq_level;
#else
typedef uint32_t tahq_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a configuration starts from.
 */
enum tahq_preset
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * 4 bits, channel exponents: the default.
     */
    TAHQ_PRESET_INT4 = 0,
    /**
     * 4 bits for four tiles in five, 3 for the others, by range.
     */
    TAHQ_PRESET_MIXED = 1,
    /**
     * 3 bits.
     */
    TAHQ_PRESET_INT3 = 2,
    /**
     * 6 bits, all-zero rows vanish: for gradients.
     */
    TAHQ_PRESET_GRADIENT = 3,
    /**
     * 8 bits, near lossless.
     */
    TAHQ_PRESET_INT8 = 4,
    /**
     * The elements as they are, NaN and infinities included.
     */
    TAHQ_PRESET_RAW = 5,
    /**
     * TAH-Quant (arXiv 2506.01352 v2), tile level.
     */
    TAHQ_PRESET_TAH_QUANT = 6,
    /**
     * TAH-Quant (arXiv 2506.01352 v1 and its reference code), token level. One frame is one sample.
     */
    TAHQ_PRESET_TAH_QUANT_TOKEN = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_preset tahq_preset;
#else
typedef uint32_t tahq_preset;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How code widths are given out.
 */
enum tahq_allocation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * No quantisation: the elements as they are.
     */
    TAHQ_ALLOCATION_RAW = 0,
    /**
     * Every tile has `hi` bits; `lo` is ignored.
     */
    TAHQ_ALLOCATION_UNIFORM = 1,
    /**
     * A share (`share_parts / share_of`) of rows or tiles (`granularity`) has `hi` bits, the others `lo`; `rank` says
     * which.
     */
    TAHQ_ALLOCATION_MIXED = 2,
    /**
     * Rows whose Euclidean norm is at most `prune_below`, and rows that the mask `keep` drops, vanish from the wire
     * and decode to zeros; the others have `hi` bits. `lo` is ignored.
     */
    TAHQ_ALLOCATION_PRUNE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_allocation tahq_allocation;
#else
typedef uint32_t tahq_allocation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What gets the wide code width.
 */
enum tahq_granularity
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Whole rows (tokens), ranked within the frame.
     */
    TAHQ_GRANULARITY_ROW = 0,
    /**
     * Tiles, ranked within their row.
     */
    TAHQ_GRANULARITY_TILE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_granularity tahq_granularity;
#else
typedef uint32_t tahq_granularity;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * By what rows or tiles are ranked; the highest get the wide code width.
 */
enum tahq_rank
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Shannon entropy of the magnitudes (TAH-Quant).
     */
    TAHQ_RANK_ENTROPY = 0,
    /**
     * Largest range after the transform.
     */
    TAHQ_RANK_RANGE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_rank tahq_rank;
#else
typedef uint32_t tahq_rank;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Which tiles are rotated by the Walsh-Hadamard transform.
 */
enum tahq_rotation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * None.
     */
    TAHQ_ROTATION_NEVER = 0,
    /**
     * Those whose largest magnitude is at least `tau` times the second largest (TAH-Quant).
     */
    TAHQ_ROTATION_RATIO = 1,
    /**
     * Those whose range it narrows, as far as the effort finds out.
     */
    TAHQ_ROTATION_NARROWER = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_rotation tahq_rotation;
#else
typedef uint32_t tahq_rotation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Channel exponents: powers of two taken out of each channel before tiling.
 */
enum tahq_exponents
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * None.
     */
    TAHQ_EXPONENTS_NONE = 0,
    /**
     * Estimated and sent in the frame, for frames of at least `exponents_min_rows` rows, from at most
     * `exponents_sample` of them (0: all). Shorter frames use `table` as an agreed one where it is given, else none.
     */
    TAHQ_EXPONENTS_ESTIMATED = 1,
    /**
     * `table`, sent in the frame.
     */
    TAHQ_EXPONENTS_IN_FRAME = 2,
    /**
     * `table`, which the receiver has as well.
     */
    TAHQ_EXPONENTS_AGREED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_exponents tahq_exponents;
#else
typedef uint32_t tahq_exponents;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How the unit and the zero point of a tile are fitted to it.
 */
enum tahq_fit
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The codes span the tile's range (TAH-Quant).
     */
    TAHQ_FIT_RANGE = 0,
    /**
     * The least squared error that the effort finds.
     */
    TAHQ_FIT_LEAST_ERROR = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_fit tahq_fit;
#else
typedef uint32_t tahq_fit;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a value between two codes is rounded.
 */
enum tahq_rounding
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * To the nearest code, ties to even.
     */
    TAHQ_ROUNDING_NEAREST = 0,
    /**
     * Up or down with the probabilities that keep the expectation, keyed by `seed`, row and channel. Use another seed
     * for each frame.
     */
    TAHQ_ROUNDING_STOCHASTIC = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_rounding tahq_rounding;
#else
typedef uint32_t tahq_rounding;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Time spent for quality. The wire and the decoder are the same.
 */
enum tahq_effort
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * By rule.
     */
    TAHQ_EFFORT_FAST = 0,
    /**
     * A little search.
     */
    TAHQ_EFFORT_BALANCED = 1,
    /**
     * Much search, many times slower.
     */
    TAHQ_EFFORT_BEST = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_effort tahq_effort;
#else
typedef uint32_t tahq_effort;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How the body of a frame is laid out.
 */
enum tahq_encoding
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The elements as they are.
     */
    TAHQ_ENCODING_RAW = 0,
    /**
     * One code width.
     */
    TAHQ_ENCODING_UNIFORM = 1,
    /**
     * Two code widths, chosen tile by tile.
     */
    TAHQ_ENCODING_TILE_MIXED = 2,
    /**
     * Two code widths, chosen row by row.
     */
    TAHQ_ENCODING_ROW_MIXED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_encoding tahq_encoding;
#else
typedef uint32_t tahq_encoding;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where the channel exponents of a frame are.
 */
enum tahq_exponent_mode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * There are none.
     */
    TAHQ_EXPONENT_MODE_NONE = 0,
    /**
     * In the frame.
     */
    TAHQ_EXPONENT_MODE_IN_FRAME = 1,
    /**
     * Agreed between the two ends.
     */
    TAHQ_EXPONENT_MODE_AGREED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tahq_exponent_mode tahq_exponent_mode;
#else
typedef uint32_t tahq_exponent_mode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Everything that an encoder is asked to do. Fill it with `tahq_config_init`, then change what you need. Fields that
 * the chosen allocation, rotation, exponents or rounding does not name are ignored.
 */
typedef struct tahq_config {
    /**
     * `sizeof(tahq_config)`, as `tahq_config_init` sets it.
     */
    uint32_t struct_size;
    /**
     * A tahq_level.
     */
    uint32_t level;
    /**
     * Channels of a tile: 32, 64 or 128.
     */
    uint32_t tile_size;
    /**
     * The wide code width in bits, 1 to 8.
     */
    uint32_t hi;
    /**
     * The narrow code width in bits, 0 to `hi`.
     */
    uint32_t lo;
    /**
     * A tahq_allocation.
     */
    uint32_t allocation;
    /**
     * A tahq_granularity, for TAHQ_ALLOCATION_MIXED.
     */
    uint32_t granularity;
    /**
     * A tahq_rank, for TAHQ_ALLOCATION_MIXED.
     */
    uint32_t rank;
    /**
     * Numerator of the share of wide rows or tiles, for TAHQ_ALLOCATION_MIXED.
     */
    uint32_t share_parts;
    /**
     * Its denominator, above 0.
     */
    uint32_t share_of;
    /**
     * The norm up to which rows vanish, for TAHQ_ALLOCATION_PRUNE; 0 drops all-zero rows only.
     */
    float prune_below;
    /**
     * A tahq_rotation.
     */
    uint32_t rotation;
    /**
     * The threshold of TAHQ_ROTATION_RATIO, at least 0; infinity rotates nothing.
     */
    float tau;
    /**
     * A tahq_exponents.
     */
    uint32_t exponents;
    /**
     * The least rows that are worth a table in the frame, for TAHQ_EXPONENTS_ESTIMATED.
     */
    uint32_t exponents_min_rows;
    /**
     * The most rows to look at, for TAHQ_EXPONENTS_ESTIMATED; 0 means all.
     */
    uint32_t exponents_sample;
    /**
     * A tahq_fit.
     */
    uint32_t fit;
    /**
     * A tahq_rounding.
     */
    uint32_t rounding;
    /**
     * A tahq_effort.
     */
    uint32_t effort;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The key of TAHQ_ROUNDING_STOCHASTIC.
     */
    uint64_t seed;
    /**
     * The caller's table of channel exponents, one a channel, or null.
     */
    const int8_t *table;
    /**
     * Its entries.
     */
    size_t table_len;
    /**
     * The rows to keep, 1 or 0 each, for TAHQ_ALLOCATION_PRUNE, or null for all.
     */
    const uint8_t *keep;
    /**
     * Its entries.
     */
    size_t keep_len;
} tahq_config;

/**
 * Why a call failed, in detail. Which of the numbers mean something depends on the status, whose comment names
 * them; the others are 0. Set `struct_size` before the first use; the library writes all other fields where a call
 * fails, and none where it succeeds.
 */
typedef struct tahq_error {
    /**
     * `sizeof(tahq_error)`, set by the caller.
     */
    uint32_t struct_size;
    /**
     * What the function returned.
     */
    tahq_status status;
    /**
     * A row (token).
     */
    uint32_t row;
    /**
     * A channel of that row, or of the table.
     */
    uint32_t channel;
    /**
     * A tile of that row.
     */
    uint32_t tile;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * How much was needed.
     */
    uint64_t needed;
    /**
     * How much there was.
     */
    uint64_t available;
    /**
     * What was found.
     */
    uint64_t found;
    /**
     * What should have been there.
     */
    uint64_t expected;
    /**
     * The argument or field that is at fault, where one is alone; else null. Static.
     */
    const char *argument;
    /**
     * The whole in English, with its numbers; ends in a zero byte.
     */
    char message[160];
} tahq_error;

/**
 * A frame's header. A transport with framing of its own may carry these fields its own way; the functions that are
 * given them check every one. Its layout stays as it is for version 1 of the wire format.
 */
typedef struct tahq_header {
    /**
     * Rows (tokens).
     */
    uint32_t rows;
    /**
     * Channels of a row.
     */
    uint32_t width;
    /**
     * Tile-mixed: wide tiles of every row; row-mixed: wide rows; else 0.
     */
    uint32_t quota;
    /**
     * Bytes of the body. It follows from the other fields: written by the library, never read.
     */
    uint32_t body_size;
    /**
     * The check of the agreed table, else 0.
     */
    uint16_t table_check;
    /**
     * A tahq_encoding.
     */
    uint8_t encoding;
    /**
     * log2 of the tile size: 5, 6 or 7; 0 for raw.
     */
    uint8_t log2_tile;
    /**
     * The wide code width, 1 to 8; 0 for raw.
     */
    uint8_t hi;
    /**
     * The narrow code width, 0 to `hi`.
     */
    uint8_t lo;
    /**
     * A tahq_element: what the frame was made from.
     */
    uint8_t source;
    /**
     * A tahq_exponent_mode.
     */
    uint8_t exponents;
} tahq_header;

/**
 * What a decoder may be told. Null in its place means: the fastest level, no agreed table.
 */
typedef struct tahq_decode_options {
    /**
     * `sizeof(tahq_decode_options)`, set by the caller.
     */
    uint32_t struct_size;
    /**
     * A tahq_level.
     */
    uint32_t level;
    /**
     * The agreed table of channel exponents, one a channel, or null. Frames that use none ignore it.
     */
    const int8_t *table;
    /**
     * Its entries.
     */
    size_t table_len;
} tahq_decode_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The ABI version of the library.
 */
uint32_t tahq_abi_version(void);

/**
 * Whether the library fits the header that a program was compiled with: `tahq_abi_check(TAHQ_ABI_VERSION)` gives
 * TAHQ_STATUS_OK or TAHQ_STATUS_ABI_VERSION.
 */
tahq_status tahq_abi_check(uint32_t header_version);

/**
 * The version of the library, such as "0.1.0". Static.
 */
const char *tahq_version(void);

/**
 * What a status means, in English; never null. Static.
 */
const char *tahq_status_message(int32_t status);

/**
 * The fastest tahq_level that the machine has.
 */
uint32_t tahq_level_detect(void);

/**
 * Whether the machine has a tahq_level.
 */
bool tahq_level_available(uint32_t level);

/**
 * The name of a tahq_level, such as "avx2", whether the machine has it or not; null for a number that is none. Static.
 */
const char *tahq_level_name(uint32_t level);

/**
 * The tahq_level of a name, which ends in a zero byte. TAHQ_STATUS_UNKNOWN_VALUE where there is none;
 * TAHQ_STATUS_LEVEL_UNAVAILABLE, with `level` written, where this machine does not have it.
 */
tahq_status tahq_level_from_name(const char *name, uint32_t *level);

/**
 * Fills `config`, of `struct_size` bytes (`sizeof *config`), with a tahq_preset.
 */
tahq_status tahq_config_init(struct tahq_config *config, size_t struct_size, uint32_t preset);

/**
 * Checks every knob of a configuration, without a tensor.
 */
tahq_status tahq_config_check(const struct tahq_config *config, struct tahq_error *error);

/**
 * Bytes of the longest frame of `rows` x `width` elements of type `element` (a tahq_element) that a configuration can
 * give; exact, unless rows are pruned. A body alone is shorter by TAHQ_HEADER_SIZE + TAHQ_CHECKSUM_SIZE.
 */
tahq_status tahq_max_frame_len(const struct tahq_config *config,
                               uint32_t element,
                               uint32_t rows,
                               uint32_t width,
                               size_t *frame_size,
                               struct tahq_error *error);

/**
 * Encodes `rows` x `width` elements of type `element` (a tahq_element), row-major, in `x`, `x_size` bytes, as one frame
 * at the start of `out`, `out_size` bytes; `tahq_max_frame_len` says how many it takes. `frame_size` gets the bytes
 * written, 0 after an error, when the content of `out` is unspecified.
 */
tahq_status tahq_encode(const struct tahq_config *config,
                        uint32_t element,
                        const void *x,
                        size_t x_size,
                        uint32_t rows,
                        uint32_t width,
                        uint8_t *out,
                        size_t out_size,
                        size_t *frame_size,
                        struct tahq_error *error);

/**
 * As `tahq_encode`, but a body alone, for a transport that carries the header's fields its own way. `header` gets these
 * fields, all 0 after an error, and `body_size` the bytes written.
 */
tahq_status tahq_encode_body(const struct tahq_config *config,
                             uint32_t element,
                             const void *x,
                             size_t x_size,
                             uint32_t rows,
                             uint32_t width,
                             uint8_t *out,
                             size_t out_size,
                             struct tahq_header *header,
                             size_t *body_size,
                             struct tahq_error *error);

/**
 * Estimates one channel exponent a channel from a calibration tensor (as for `tahq_encode`) into `table`, which has
 * `table_len` = `width` entries. At most `sample` rows, evenly spaced, are looked at; 0 means all. Elements that are
 * not finite give some table. After an error the table holds zeros.
 */
tahq_status tahq_estimate_exponents(uint32_t element,
                                    const void *x,
                                    size_t x_size,
                                    uint32_t rows,
                                    uint32_t width,
                                    uint32_t sample,
                                    int8_t *table,
                                    size_t table_len,
                                    struct tahq_error *error);

/**
 * The length of the frame that `bytes` starts with, of which the first TAHQ_HEADER_SIZE are enough. It works for every
 * version of the format, so a reader can skip a frame that it cannot decode. The fields are not checked.
 */
tahq_status tahq_frame_len(const uint8_t *bytes,
                           size_t bytes_size,
                           size_t *frame_size,
                           struct tahq_error *error);

/**
 * Reads and checks the header of the frame that `bytes` starts with, of which the first TAHQ_HEADER_SIZE are enough.
 * After an error `header` holds zeros.
 */
tahq_status tahq_parse_header(const uint8_t *bytes,
                              size_t bytes_size,
                              struct tahq_header *header,
                              struct tahq_error *error);

/**
 * Checks one whole frame, checksum and every row, without decoding it. `options` and `header` may be null.
 */
tahq_status tahq_validate(const uint8_t *frame,
                          size_t frame_size,
                          const struct tahq_decode_options *options,
                          struct tahq_header *header,
                          struct tahq_error *error);

/**
 * Decodes one whole frame, exactly `frame_size` bytes, into `out`: `rows` x `width` elements of type `element` (a
 * tahq_element, whatever the frame was made from), row-major, exactly `out_size` bytes. `options` and `header` may be
 * null. After an error `out` and `header` hold zeros, never what was there before.
 */
tahq_status tahq_decode(const uint8_t *frame,
                        size_t frame_size,
                        uint32_t element,
                        void *out,
                        size_t out_size,
                        const struct tahq_decode_options *options,
                        struct tahq_header *header,
                        struct tahq_error *error);

/**
 * As `tahq_decode`, for a body whose header came some other way. There is no checksum: the transport vouches for the
 * bytes, or what decodes is whatever they say.
 */
tahq_status tahq_decode_body(const struct tahq_header *header,
                             const uint8_t *body,
                             size_t body_size,
                             uint32_t element,
                             void *out,
                             size_t out_size,
                             const struct tahq_decode_options *options,
                             struct tahq_error *error);

/**
 * Decodes the rows from `start` up to but without `end` of one whole frame into `out`, exactly `out_size` bytes. Each
 * call checks the whole frame: where there are many calls, check it once with `tahq_validate` and use
 * `tahq_decode_body_rows`.
 */
tahq_status tahq_decode_rows(const uint8_t *frame,
                             size_t frame_size,
                             uint32_t start,
                             uint32_t end,
                             uint32_t element,
                             void *out,
                             size_t out_size,
                             const struct tahq_decode_options *options,
                             struct tahq_error *error);

/**
 * As `tahq_decode_rows`, for a body whose header came some other way or from `tahq_parse_header`; the body of a frame
 * starts TAHQ_HEADER_SIZE bytes into it and has `header->body_size`. There is no checksum. Ranges are independent:
 * several threads may decode some each.
 */
tahq_status tahq_decode_body_rows(const struct tahq_header *header,
                                  const uint8_t *body,
                                  size_t body_size,
                                  uint32_t start,
                                  uint32_t end,
                                  uint32_t element,
                                  void *out,
                                  size_t out_size,
                                  const struct tahq_decode_options *options,
                                  struct tahq_error *error);

/**
 * Encodes `x - reference` (delta coding between visits of one example, as AQ-SGD does) as one frame at the start of
 * `out`. `x` is as for `tahq_encode`; `reference` and `scratch` hold one float for each element of `x`, their sizes are
 * in bytes; `scratch` holds the difference afterwards. `reference` is zeros before the first visit; call
 * `tahq_delta_apply` with the frame, here and at the receiver, to bring it up to date.
 */
tahq_status tahq_delta_encode(const struct tahq_config *config,
                              uint32_t element,
                              const void *x,
                              size_t x_size,
                              uint32_t rows,
                              uint32_t width,
                              const float *reference,
                              size_t reference_size,
                              float *scratch,
                              size_t scratch_size,
                              uint8_t *out,
                              size_t out_size,
                              size_t *frame_size,
                              struct tahq_error *error);

/**
 * Decodes a frame of differences into `scratch` and adds them to `reference`, both `rows` x `width` floats, their sizes
 * in bytes. `options` and `header` may be null. After an error `reference` is unchanged, and `scratch` and `header` hold
 * zeros.
 */
tahq_status tahq_delta_apply(const uint8_t *frame,
                             size_t frame_size,
                             float *reference,
                             size_t reference_size,
                             float *scratch,
                             size_t scratch_size,
                             const struct tahq_decode_options *options,
                             struct tahq_header *header,
                             struct tahq_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TAHQ_H */
