/* The C interface as C sees it: right calls, wrong arguments, and frames that are wrong in every way that bytes can be.
 *
 * Buffers end where a page without access begins, so that the library, which is not compiled with the sanitizers, cannot
 * read or write past one unnoticed; what lies before a buffer is watched by canaries.
 *
 * Usage: abi [mutated frames [seed]]
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tahq.h"

#define CHECK(condition) \
    do { \
        checks++; \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static unsigned long checks;

/* xorshift64* */
static uint64_t state;
static uint32_t any(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1Du) >> 32) % below;
}

/* Memory whose end is a page without access. */
typedef struct {
    uint8_t *start;
    uint8_t *end;
} guarded;

#define CANARY 0xA5

static guarded guard(size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (capacity + page - 1) / page * page;
    guarded g;
    void *memory = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    g.start = (uint8_t *)memory;
    g.end = g.start + size;
    CHECK(mprotect(g.end, page, PROT_NONE) == 0);
    memset(g.start, CANARY, size);
    return g;
}

/* The last bytes of it, after canaries. */
static uint8_t *last(const guarded *g, size_t size)
{
    CHECK(size + 64 <= (size_t)(g->end - g->start));
    return g->end - size;
}

static int untouched(const uint8_t *before)
{
    int i;
    for (i = 1; i <= 64; i++)
        if (before[-i] != CANARY)
            return 0;
    return 1;
}

static int zeros(const uint8_t *bytes, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

static const uint32_t elements[] = {TAHQ_ELEMENT_F32, TAHQ_ELEMENT_F16, TAHQ_ELEMENT_BF16};
static size_t element_size(uint32_t element) { return element == TAHQ_ELEMENT_F32 ? 4 : 2; }

/* Finite elements of every type, some rows zero. */
static void fill(uint8_t *x, uint32_t element, uint32_t rows, uint32_t width)
{
    uint32_t row, c;
    for (row = 0; row < rows; row++)
        for (c = 0; c < width; c++) {
            size_t i = (size_t)row * width + c;
            float value = row % 4 == 3 ? 0.0f : ldexpf((float)any(2001) - 1000.0f, (int)any(8) - 8);
            if (element == TAHQ_ELEMENT_F32) {
                memcpy(x + 4 * i, &value, 4);
            } else {
                /* Below 0x4000 nothing is an infinity in either 16-bit type; the sign is bit 15. */
                uint16_t half = row % 4 == 3 ? 0 : (uint16_t)(0x3000 + any(0x1000) + 0x8000 * any(2));
                memcpy(x + 2 * i, &half, 2);
            }
        }
}

static tahq_config preset(uint32_t number)
{
    tahq_config config;
    CHECK(tahq_config_init(&config, sizeof config, number) == TAHQ_STATUS_OK);
    CHECK(config.struct_size == sizeof config);
    return config;
}

static const char *where;
static void succeed(tahq_status status, const tahq_error *error)
{
    if (status != TAHQ_STATUS_OK) {
        fprintf(stderr, "%s: %s: %s\n", where, tahq_status_message(status), error->message);
        exit(1);
    }
    checks++;
}

/* Every preset, element and level: the same bytes, the same values, whole and in parts. */
static void round_trips(const guarded *source, const guarded *framed, const guarded *output, const guarded *other)
{
    static const uint32_t shapes[][2] = {{0, 5}, {5, 0}, {1, 1}, {3, 31}, {4, 64}, {7, 97}, {40, 130}};
    uint32_t p, e, d, s, level;
    tahq_error error;
    error.struct_size = sizeof error;
    for (p = TAHQ_PRESET_INT4; p <= TAHQ_PRESET_TAH_QUANT_TOKEN; p++)
        for (e = 0; e < 3; e++)
            for (s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                uint32_t rows = shapes[s][0], width = shapes[s][1];
                size_t n = (size_t)rows * width, x_size = n * element_size(elements[e]);
                size_t max_size, frame_size, again, body_size;
                uint8_t *x = last(source, x_size), *frame, *second;
                tahq_header header, parsed;
                tahq_config config = preset(p);
                where = "round trip";
                fill(x, elements[e], rows, width);
                succeed(tahq_max_frame_len(&config, elements[e], rows, width, &max_size, &error), &error);
                frame = last(framed, max_size);
                succeed(tahq_encode(&config, elements[e], x, x_size, rows, width, frame, max_size, &frame_size,
                                    &error), &error);
                CHECK(frame_size <= max_size && untouched(frame));
                CHECK(p == TAHQ_PRESET_GRADIENT || frame_size == max_size);
                succeed(tahq_frame_len(frame, frame_size, &again, &error), &error);
                CHECK(again == frame_size);
                succeed(tahq_validate(frame, frame_size, NULL, &header, &error), &error);
                CHECK(header.rows == rows && header.width == width && header.source == elements[e]);
                succeed(tahq_parse_header(frame, TAHQ_HEADER_SIZE, &parsed, &error), &error);
                CHECK(memcmp(&header, &parsed, sizeof header) == 0);
                CHECK(header.body_size + (size_t)TAHQ_HEADER_SIZE + TAHQ_CHECKSUM_SIZE == frame_size);

                second = last(other, max_size);
                succeed(tahq_encode_body(&config, elements[e], x, x_size, rows, width, second, max_size, &parsed,
                                         &body_size, &error), &error);
                CHECK(memcmp(&header, &parsed, sizeof header) == 0 && body_size == header.body_size);
                CHECK(memcmp(second, frame + TAHQ_HEADER_SIZE, body_size) == 0);
                for (level = TAHQ_LEVEL_SCALAR; level <= TAHQ_LEVEL_SIMD128; level++) {
                    if (!tahq_level_available(level))
                        continue;
                    config.level = level;
                    succeed(tahq_encode(&config, elements[e], x, x_size, rows, width, second, max_size, &again,
                                        &error), &error);
                    CHECK(again == frame_size && memcmp(second, frame, frame_size) == 0);
                }
                memset(second, CANARY, max_size);

                for (d = 0; d < 3; d++) {
                    size_t size = element_size(elements[d]), out_size = n * size;
                    uint8_t *y = last(output, out_size), *z = last(other, out_size);
                    uint32_t row;
                    memset(y, 1, out_size);
                    succeed(tahq_decode(frame, frame_size, elements[d], y, out_size, NULL, &parsed, &error), &error);
                    CHECK(memcmp(&header, &parsed, sizeof header) == 0 && untouched(y));
                    if (p == TAHQ_PRESET_RAW && d == e)
                        CHECK(out_size == 0 || memcmp(x, y, x_size) == 0);
                    for (level = TAHQ_LEVEL_SCALAR; level <= TAHQ_LEVEL_SIMD128; level++) {
                        tahq_decode_options options = {sizeof options, 0, NULL, 0};
                        options.level = level;
                        if (!tahq_level_available(level))
                            continue;
                        memset(z, 2, out_size);
                        succeed(tahq_decode(frame, frame_size, elements[d], z, out_size, &options, NULL, &error),
                                &error);
                        CHECK(memcmp(y, z, out_size) == 0);
                    }
                    memset(z, 2, out_size);
                    succeed(tahq_decode_body(&header, frame + TAHQ_HEADER_SIZE, header.body_size, elements[d], z,
                                             out_size, NULL, &error), &error);
                    CHECK(memcmp(y, z, out_size) == 0);
                    memset(z, 2, out_size);
                    for (row = 0; row < rows; row += 2) {
                        uint32_t end = row + 2 < rows ? row + 2 : rows;
                        size_t at = (size_t)row * width * size, part = (size_t)(end - row) * width * size;
                        if (row % 4 == 0)
                            succeed(tahq_decode_rows(frame, frame_size, row, end, elements[d], z + at, part, NULL,
                                                     &error), &error);
                        else
                            succeed(tahq_decode_body_rows(&header, frame + TAHQ_HEADER_SIZE, header.body_size, row,
                                                          end, elements[d], z + at, part, NULL, &error), &error);
                    }
                    CHECK(memcmp(y, z, out_size) == 0);
                    memset(y, CANARY, out_size);
                    memset(z, CANARY, out_size);
                }
                memset(frame, CANARY, max_size);
                memset(x, CANARY, x_size);
            }
}

static void tables_masks_and_deltas(void)
{
    enum { ROWS = 6, WIDTH = 70, N = ROWS * WIDTH };
    static float x[N], y[N], reference[N], mirror[N], scratch[N];
    static uint8_t frame[4096];
    int8_t table[WIDTH], wrong[WIDTH];
    uint8_t keep[ROWS] = {1, 1, 0, 1, 0, 1};
    size_t size, i, visit;
    double before = 0, after = 0;
    tahq_config config = preset(TAHQ_PRESET_INT4);
    tahq_decode_options options = {sizeof options, TAHQ_LEVEL_AUTO, NULL, 0};
    tahq_header header;
    tahq_error error;
    error.struct_size = sizeof error;
    where = "tables";
    for (i = 0; i < N; i++)
        x[i] = ldexpf((float)any(2001) - 1000.0f, (int)(i % WIDTH) % 9 - 12);
    succeed(tahq_estimate_exponents(TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, 0, table, WIDTH, &error), &error);
    CHECK(!zeros((uint8_t *)table, WIDTH));
    CHECK(tahq_estimate_exponents(TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, 0, table, WIDTH - 1, &error)
          == TAHQ_STATUS_ENCODE_TABLE_LENGTH);
    CHECK(error.needed == WIDTH && error.available == WIDTH - 1 && zeros((uint8_t *)table, WIDTH - 1));
    CHECK(tahq_estimate_exponents(TAHQ_ELEMENT_F32, x, sizeof x - 4, ROWS, WIDTH, 0, table, WIDTH, &error)
          == TAHQ_STATUS_ENCODE_INPUT_LENGTH);
    succeed(tahq_estimate_exponents(TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, 0, table, WIDTH, &error), &error);

    config.exponents = TAHQ_EXPONENTS_AGREED;
    CHECK(tahq_encode(&config, TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, frame, sizeof frame, &size, &error)
          == TAHQ_STATUS_ENCODE_TABLE_MISSING);
    CHECK(size == 0 && error.status == TAHQ_STATUS_ENCODE_TABLE_MISSING);
    config.table = table;
    config.table_len = WIDTH;
    succeed(tahq_encode(&config, TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, frame, sizeof frame, &size, &error),
            &error);
    y[0] = 1;
    CHECK(tahq_decode(frame, size, TAHQ_ELEMENT_F32, y, sizeof y, NULL, NULL, &error)
          == TAHQ_STATUS_DECODE_TABLE_MISSING);
    CHECK(zeros((uint8_t *)y, sizeof y));
    memcpy(wrong, table, WIDTH);
    wrong[3]++;
    options.table = wrong;
    options.table_len = WIDTH;
    CHECK(tahq_decode(frame, size, TAHQ_ELEMENT_F32, y, sizeof y, &options, NULL, &error)
          == TAHQ_STATUS_DECODE_TABLE_MISMATCH);
    options.table = table;
    succeed(tahq_decode(frame, size, TAHQ_ELEMENT_F32, y, sizeof y, &options, &header, &error), &error);
    CHECK(header.exponents == TAHQ_EXPONENT_MODE_AGREED && header.table_check != 0 && !zeros((uint8_t *)y, 64));

    where = "masks";
    config = preset(TAHQ_PRESET_GRADIENT);
    config.keep = keep;
    config.keep_len = ROWS;
    succeed(tahq_encode(&config, TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, frame, sizeof frame, &size, &error),
            &error);
    succeed(tahq_decode(frame, size, TAHQ_ELEMENT_F32, y, sizeof y, NULL, &header, &error), &error);
    CHECK(header.quota == 4 && zeros((uint8_t *)(y + 2 * WIDTH), WIDTH * 4) && !zeros((uint8_t *)y, WIDTH * 4));
    config.keep_len = ROWS - 1;
    CHECK(tahq_encode(&config, TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, frame, sizeof frame, &size, &error)
          == TAHQ_STATUS_ENCODE_MASK);
    CHECK(error.needed == ROWS && error.available == ROWS - 1);

    where = "not finite";
    config = preset(TAHQ_PRESET_INT8);
    y[2 * WIDTH + 7] = (float)HUGE_VAL;
    CHECK(tahq_encode(&config, TAHQ_ELEMENT_F32, y, sizeof y, ROWS, WIDTH, frame, sizeof frame, &size, &error)
          == TAHQ_STATUS_ENCODE_NON_FINITE);
    CHECK(error.row == 2 && error.channel == 7 && strstr(error.message, "channel 7") != NULL);

    where = "deltas";
    for (visit = 0; visit < 4; visit++) {
        succeed(tahq_delta_encode(&config, TAHQ_ELEMENT_F32, x, sizeof x, ROWS, WIDTH, reference, sizeof reference,
                                  scratch, sizeof scratch, frame, sizeof frame, &size, &error), &error);
        succeed(tahq_delta_apply(frame, size, reference, sizeof reference, scratch, sizeof scratch, NULL, &header,
                                 &error), &error);
        succeed(tahq_delta_apply(frame, size, mirror, sizeof mirror, scratch, sizeof scratch, NULL, NULL, &error),
                &error);
        CHECK(memcmp(reference, mirror, sizeof mirror) == 0);
        after = 0;
        for (i = 0; i < N; i++)
            after += fabs((double)x[i] - (double)reference[i]);
        CHECK(visit == 0 || after < before);
        before = after;
    }
    scratch[0] = 1;
    frame[40] ^= 1;
    CHECK(tahq_delta_apply(frame, size, reference, sizeof reference, scratch, sizeof scratch, NULL, &header, &error)
          == TAHQ_STATUS_DECODE_CHECKSUM);
    CHECK(memcmp(reference, mirror, sizeof mirror) == 0 && zeros((uint8_t *)scratch, sizeof scratch));
    CHECK(zeros((uint8_t *)&header, sizeof header) && error.found != error.expected);
}

/* Rows of a body without a checksum, under a header whose fields may be anything: refused or decoded the same way at every
 * level. Returns the status. */
static tahq_status hostile_body(const uint8_t *seed, const uint8_t *body, size_t body_size, const guarded *output,
                                const guarded *other)
{
    uint32_t element = elements[any(3)], changes = any(3), levels = 0, level, start, end, k;
    size_t n, out_size;
    uint8_t *y, *z;
    tahq_status status, first = TAHQ_STATUS_OK;
    tahq_header fields;
    tahq_error error;
    error.struct_size = sizeof error;
    CHECK(tahq_parse_header(seed, TAHQ_HEADER_SIZE, &fields, NULL) == TAHQ_STATUS_OK);
    for (k = 0; k < changes; k++)
        ((uint8_t *)&fields)[any(sizeof fields)] = (uint8_t)(any(4) ? any(8) : any(256));
    start = any(4);
    end = any(4) ? fields.rows : any(8);
    n = end > start ? (size_t)(end - start) * fields.width : 0;
    if (n > 4000)
        n = 7;
    out_size = n * element_size(element);
    y = last(output, out_size);
    z = last(other, out_size);
    for (level = TAHQ_LEVEL_SCALAR; level <= TAHQ_LEVEL_SIMD128; level++) {
        tahq_decode_options options = {sizeof options, 0, NULL, 0};
        uint8_t *to = levels == 0 ? y : z;
        options.level = level;
        if (!tahq_level_available(level))
            continue;
        memset(to, levels == 0 ? 0x11 : 0xEE, out_size);
        status = tahq_decode_body_rows(&fields, body, body_size, start, end, element, to, out_size, &options, &error);
        CHECK(untouched(to));
        if (levels++ == 0)
            first = status;
        CHECK(status == first && memcmp(y, to, out_size) == 0);
        CHECK(status == TAHQ_STATUS_OK || (zeros(to, out_size) && error.status == status));
    }
    memset(y, CANARY, out_size);
    memset(z, CANARY, out_size);
    return first;
}

static uint32_t crc32(const uint8_t *bytes, size_t size)
{
    static uint32_t table[256];
    uint32_t crc = 0xFFFFFFFFu, i, k;
    size_t at;
    if (table[1] == 0)
        for (i = 0; i < 256; i++) {
            uint32_t value = i;
            for (k = 0; k < 8; k++)
                value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
            table[i] = value;
        }
    for (at = 0; at < size; at++)
        crc = crc >> 8 ^ table[(crc ^ bytes[at]) & 255];
    return ~crc;
}

static void seal(uint8_t *frame, size_t size)
{
    uint32_t crc = crc32(frame, size - TAHQ_CHECKSUM_SIZE);
    int i;
    for (i = 0; i < 4; i++)
        frame[size - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
}

/* Frames of every preset, broken at random, most of them with a checksum that is right again. Each is refused or decoded
 * the same way at every level and over every old content, and no byte around the output changes. */
static void hostile(unsigned long count, const guarded *source, const guarded *framed, const guarded *output,
                    const guarded *other)
{
    enum { SEEDS = 24, CAPACITY = 4096 };
    static uint8_t seeds[SEEDS][CAPACITY];
    static size_t sizes[SEEDS];
    unsigned long i, decoded = 0, refused = 0, bodies = 0;
    unsigned long codes[400] = {0};
    unsigned kinds = 0, s;
    tahq_error error;
    error.struct_size = sizeof error;
    where = "hostile";
    for (s = 0; s < SEEDS; s++) {
        uint32_t rows = 1 + any(5), width = 1 + any(100), element = elements[s % 3];
        size_t x_size = (size_t)rows * width * element_size(element);
        uint8_t *x = last(source, x_size);
        tahq_config config = preset(s % 8);
        config.exponents_min_rows = 1 + s % 5;
        config.tile_size = 32u << s % 3;
        fill(x, element, rows, width);
        succeed(tahq_encode(&config, element, x, x_size, rows, width, seeds[s], CAPACITY, &sizes[s], &error), &error);
    }
    for (i = 0; i < count; i++) {
        uint32_t seed = any(SEEDS), changes = any(5), element = elements[any(3)], k, levels = 0, level;
        size_t size = sizes[seed], out_size, n;
        uint8_t *frame, *y, *z;
        tahq_header header;
        tahq_status status, first = TAHQ_STATUS_OK;
        if (any(16) == 0)
            size = any((uint32_t)size + 8);
        frame = last(framed, size);
        memcpy(frame, seeds[seed], size);
        for (k = 0; k < changes && size > 0; k++) {
            /* The header and what follows it more often than the codes. */
            size_t at = any(2) ? any((uint32_t)(size < 48 ? size : 48)) : any((uint32_t)size);
            switch (any(4)) {
            case 0: frame[at] ^= (uint8_t)(1u << any(8)); break;
            case 1: frame[at] = (uint8_t)any(256); break;
            case 2: frame[at] = any(2) ? 0 : 255; break;
            default: frame[at] = (uint8_t)(frame[at] + 1); break;
            }
        }
        if (size >= TAHQ_HEADER_SIZE + TAHQ_CHECKSUM_SIZE && any(4) != 0)
            seal(frame, size);

        /* As much output as the frame asks for, if that is within reason. */
        status = tahq_parse_header(frame, size, &header, NULL);
        if (status != TAHQ_STATUS_OK)
            CHECK(zeros((uint8_t *)&header, sizeof header));
        n = (size_t)header.rows * header.width;
        if (header.width != 0 && (n / header.width != header.rows || n > 4000))
            n = 7;
        if (any(32) == 0)
            n++;
        out_size = n * element_size(element);
        y = last(output, out_size);
        z = last(other, out_size);
        for (level = TAHQ_LEVEL_SCALAR; level <= TAHQ_LEVEL_SIMD128; level++) {
            tahq_decode_options options = {sizeof options, 0, NULL, 0};
            uint8_t *to = levels == 0 ? y : z;
            options.level = level;
            if (!tahq_level_available(level))
                continue;
            memset(to, levels == 0 ? 0x11 : 0xEE, out_size);
            status = tahq_decode(frame, size, element, to, out_size, &options, &header, &error);
            CHECK(untouched(to));
            if (levels++ == 0)
                first = status;
            CHECK(status == first && memcmp(y, to, out_size) == 0);
            if (status != TAHQ_STATUS_OK) {
                CHECK(zeros(to, out_size) && zeros((uint8_t *)&header, sizeof header));
                CHECK(error.status == status && error.message[0] != 0);
            }
        }
        CHECK(levels > 0 && first >= 0 && first < 400);
        status = tahq_validate(frame, size, NULL, &header, NULL);
        /* The size of the output aside, both look at the same things. */
        CHECK(first == TAHQ_STATUS_DECODE_OUTPUT_LENGTH || (status == TAHQ_STATUS_OK) == (first == TAHQ_STATUS_OK));
        if (first == TAHQ_STATUS_OK) {
            decoded++;
            memset(z, 0xEE, out_size);
            CHECK(tahq_decode_body(&header, frame + TAHQ_HEADER_SIZE, size - TAHQ_HEADER_SIZE - TAHQ_CHECKSUM_SIZE,
                                   element, z, out_size, NULL, &error) == TAHQ_STATUS_OK);
            CHECK(memcmp(y, z, out_size) == 0);
        } else {
            refused++;
        }
        kinds += codes[first]++ == 0;
        memset(y, CANARY, out_size);
        memset(z, CANARY, out_size);
        if (size >= TAHQ_HEADER_SIZE + TAHQ_CHECKSUM_SIZE) {
            first = hostile_body(seeds[seed], frame + TAHQ_HEADER_SIZE,
                                 size - TAHQ_HEADER_SIZE - (any(16) ? TAHQ_CHECKSUM_SIZE : 0), output, other);
            bodies += first == TAHQ_STATUS_OK;
            kinds += codes[first]++ == 0;
        }
        memset(frame, CANARY, size);
    }
    printf("%lu mutated frames: %lu decoded, %lu refused, and %lu bodies decoded; %u different codes\n", count, decoded,
           refused, bodies, kinds);
    /* Or the loop would have tested little. */
    CHECK(count < 50000 || (decoded > count / 50 && refused > count / 50 && bodies > count / 50 && kinds >= 25));
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t capacity = 1 << 17;
    guarded source, framed, output, other;
    uint32_t level;
    tahq_status named;
    state = argc > 2 ? strtoul(argv[2], NULL, 10) | 1 : 0x9E3779B97F4A7C15u;

    CHECK(tahq_abi_check(TAHQ_ABI_VERSION) == TAHQ_STATUS_OK && tahq_abi_version() == TAHQ_ABI_VERSION);
    CHECK(tahq_abi_check(TAHQ_ABI_VERSION + 1) == TAHQ_STATUS_ABI_VERSION);
    CHECK(strchr(tahq_version(), '.') != NULL);
    CHECK(tahq_level_from_name("scalar", &level) == TAHQ_STATUS_OK && level == TAHQ_LEVEL_SCALAR);
    CHECK(tahq_level_from_name("sse9", &level) == TAHQ_STATUS_UNKNOWN_VALUE);
    CHECK(tahq_level_name(99) == NULL);
    named = tahq_level_from_name("simd128", &level);
    CHECK((named == TAHQ_STATUS_OK) == tahq_level_available(TAHQ_LEVEL_SIMD128));
    printf("levels:");
    for (level = TAHQ_LEVEL_SCALAR; level <= TAHQ_LEVEL_SIMD128; level++)
        if (tahq_level_available(level))
            printf(" %s", tahq_level_name(level));
    printf("\n");

    source = guard(capacity);
    framed = guard(capacity);
    output = guard(capacity);
    other = guard(capacity);
    round_trips(&source, &framed, &output, &other);
    tables_masks_and_deltas();
    hostile(count, &source, &framed, &output, &other);
    printf("%lu checks hold\n", checks);
    return 0;
}
