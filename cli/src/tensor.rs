//! Tensors in memory: element types, typed values, and how a shape is cut into frames.

use std::io::{self, Write};
use std::ops::Range;

use half::{bf16, f16};
use tahq::{Element, SourceType};

/// The most elements of one frame, and so of one piece of a tensor in memory.
pub(crate) const MAX_PIECE: u64 = 1 << 25;

/// A floating-point element type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
pub(crate) enum FloatType {
    /// IEEE 754 binary64, encoded by way of f32.
    #[serde(rename = "F64")]
    F64,
    /// IEEE 754 binary32.
    #[serde(rename = "F32")]
    F32,
    /// IEEE 754 binary16.
    #[serde(rename = "F16")]
    F16,
    /// bfloat16.
    #[serde(rename = "BF16")]
    Bf16,
}

impl FloatType {
    /// Bytes of one element.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The type of a frame's source.
    pub(crate) const fn of(source: SourceType) -> Self {
        match source {
            SourceType::F32 => Self::F32,
            SourceType::F16 => Self::F16,
            SourceType::Bf16 => Self::Bf16,
        }
    }

    /// As safetensors names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

/// Elements of one of the types that the codec takes.
#[derive(Debug)]
pub(crate) enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

/// Runs one expression for whichever type of elements there is.
macro_rules! with_values {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            $crate::tensor::Values::F32($x) => $body,
            $crate::tensor::Values::F16($x) => $body,
            $crate::tensor::Values::Bf16($x) => $body,
        }
    };
}
pub(crate) use with_values;

impl Values {
    /// From the little-endian bytes of a file.
    pub(crate) fn from_le(float: FloatType, bytes: &[u8]) -> Self {
        match float {
            FloatType::F64 => {
                let doubles = bytes.as_chunks::<8>().0.iter();
                // What is beyond f32 was refused.
                Self::F32(doubles.map(|b| f64::from_le_bytes(*b) as f32).collect())
            }
            FloatType::F32 => Self::F32(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f32::from_le_bytes(*b))
                    .collect(),
            ),
            FloatType::F16 => Self::F16(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f16::from_le_bytes(*b))
                    .collect(),
            ),
            FloatType::Bf16 => Self::Bf16(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| bf16::from_le_bytes(*b))
                    .collect(),
            ),
        }
    }
}

/// Writes elements as little-endian bytes.
pub(crate) fn write_le<E: Element>(out: &mut impl Write, values: &[E]) -> io::Result<()> {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    if cfg!(target_endian = "little") {
        return out.write_all(bytes);
    }
    let mut swapped = bytes.to_vec();
    swapped.chunks_exact_mut(size_of::<E>()).for_each(<[u8]>::reverse);
    out.write_all(&swapped)
}

/// How a shape is seen: `samples` matrices of `rows x width`, in row-major order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) samples: u64,
    pub(crate) rows: u64,
    pub(crate) width: u64,
}

/// A run of elements that becomes one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which elements of the tensor.
    pub(crate) elements: Range<u64>,
    /// The sample they are from.
    pub(crate) sample: u64,
    /// The first row, within the sample.
    pub(crate) row: u64,
    /// The first channel; above 0 only where a row is too long for one frame.
    pub(crate) channel: u64,
    pub(crate) rows: u32,
    pub(crate) width: u32,
}

/// Elements of a shape; `None` where they cannot be counted.
pub(crate) fn elements(shape: &[usize]) -> Option<u64> {
    shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64))
}

impl Layout {
    /// The last dimension is the width, the one before it the rows, all before these are samples.
    pub(crate) fn of(shape: &[usize]) -> Self {
        let (samples, rows, width): (&[usize], _, _) = match *shape {
            [] => (&[], 1, 1),
            [width] => (&[], 1, width),
            [ref samples @ .., rows, width] => (samples, rows, width),
        };
        Self {
            samples: elements(samples).unwrap_or(0),
            rows: rows as u64,
            width: width as u64,
        }
    }

    /// Cuts samples into frames of at most `max_rows` rows and [`MAX_PIECE`] elements. Nothing where there
    /// are no elements.
    pub(crate) fn pieces(self, max_rows: Option<u32>) -> impl Iterator<Item = Piece> {
        let Self { samples, rows, width } = self;
        let empty = samples == 0 || rows == 0 || width == 0;
        let piece_width = width.clamp(1, MAX_PIECE);
        let piece_rows = if width > MAX_PIECE {
            1
        } else {
            (MAX_PIECE / piece_width).min(rows).max(1)
        };
        let piece_rows = piece_rows.min(max_rows.map_or(u64::MAX, u64::from)).max(1);
        (0..if empty { 0 } else { samples }).flat_map(move |sample| {
            (0..rows.div_ceil(piece_rows)).flat_map(move |r| {
                (0..width.div_ceil(piece_width)).map(move |c| {
                    let (row, channel) = (r * piece_rows, c * piece_width);
                    let (rows, columns) = (piece_rows.min(rows - row), piece_width.min(width - channel));
                    let start = (sample * self.rows + row) * width + channel;
                    Piece {
                        elements: start..start + rows * columns,
                        sample,
                        row,
                        channel,
                        rows: rows as u32,
                        width: columns as u32,
                    }
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(shape: &[usize], max_rows: Option<u32>) -> Vec<(Range<u64>, u32, u32)> {
        let pieces = Layout::of(shape).pieces(max_rows);
        pieces
            .map(|piece| (piece.elements, piece.rows, piece.width))
            .collect()
    }

    #[test]
    fn shapes_become_samples_of_rows() {
        assert_eq!(spans(&[], None), [(0..1, 1, 1)]);
        assert_eq!(spans(&[7], None), [(0..7, 1, 7)]);
        assert_eq!(spans(&[3, 7], None), [(0..21, 3, 7)]);
        assert_eq!(spans(&[2, 3, 7], None), [(0..21, 3, 7), (21..42, 3, 7)]);
        assert_eq!(spans(&[2, 1, 3, 7], None), [(0..21, 3, 7), (21..42, 3, 7)]);
        assert_eq!(
            spans(&[5, 2], Some(2)),
            [(0..4, 2, 2), (4..8, 2, 2), (8..10, 1, 2)]
        );
    }

    #[test]
    fn no_elements_are_no_frames() {
        for shape in [&[0][..], &[0, 4], &[4, 0], &[0, 4, 4], &[4, 4, 0]] {
            assert_eq!(spans(shape, None), []);
        }
    }

    #[test]
    fn long_samples_and_rows_are_cut() {
        let max = MAX_PIECE as usize;
        let rows: Vec<_> = spans(&[9, max / 4], None).iter().map(|span| span.1).collect();
        assert_eq!(rows, [4, 4, 1]);
        let widths: Vec<_> = spans(&[2, max + 5], None)
            .iter()
            .map(|span| span.2 as usize)
            .collect();
        assert_eq!(widths, [max, 5, max, 5]);
    }
}
