//! Tensor files, safetensors and .npy, opened for reading piece by piece.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use safetensors::Dtype;

use crate::failure::{Failure, named};
use crate::input::{Whole, fill};
use crate::npy;
use crate::safetensors_file;
use crate::tensor::{self, FloatType, Values};

/// Bytes that can be sought in.
trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// The format of a tensor file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Safetensors,
    Npy,
}

/// The name that the one array of a .npy file goes by.
pub(crate) const NPY_NAME: &str = "data";

/// An open file and what its header says.
pub(crate) struct TensorFile {
    name: String,
    source: Box<dyn Source>,
    pub(crate) format: Format,
    /// Free text entries of a safetensors file.
    pub(crate) metadata: BTreeMap<String, String>,
    /// In the order of the data.
    pub(crate) tensors: Vec<Tensor>,
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Bytes of its data.
    pub(crate) len: u64,
    start: u64,
    big_endian: bool,
}

impl Tensor {
    /// Its float type; `None` for what the codec does not take.
    pub(crate) const fn float(&self) -> Option<FloatType> {
        safetensors_file::float(self.dtype)
    }
}

impl TensorFile {
    /// Reads the header of a file, which must hold all the data that the header speaks of.
    pub(crate) fn of(whole: Whole) -> Result<Self, Failure> {
        let name = whole.name.clone();
        Self::read(whole).map_err(|failure| failure.context(name))
    }

    fn read(whole: Whole) -> Result<Self, Failure> {
        let Whole {
            name,
            from: mut file,
            len,
        } = whole;
        let mut start = [0; 6];
        let read = fill(&mut file, &mut start)?;
        file.rewind()?;
        if start[..read] == npy::MAGIC {
            return Self::read_npy(name, file, len);
        }
        if start.starts_with(b"TAHQ") {
            return Err(Failure::new(
                "holds frames already, not tensors; see `tahq decode`",
            ));
        }
        let header = safetensors_file::read_header(&mut file)?;
        check_len(len, header.end)?;
        let tensors = header.tensors.into_iter().map(|entry| Tensor {
            name: entry.name,
            dtype: entry.dtype,
            shape: entry.shape,
            len: entry.len,
            start: entry.start,
            big_endian: false,
        });
        Ok(Self {
            name,
            format: Format::Safetensors,
            metadata: header.metadata,
            tensors: tensors.collect(),
            source: Box::new(file),
        })
    }

    fn read_npy(name: String, mut file: File, len: u64) -> Result<Self, Failure> {
        let header = npy::read_header(&mut file)?;
        let size = header.float.size();
        let bytes = tensor::elements(&header.shape)
            .and_then(|n| n.checked_mul(size as u64))
            .and_then(|n| Some((n, n.checked_add(header.len)?)));
        let Some((bytes, end)) = bytes else {
            return Err(Failure::new("the .npy header names an impossible shape"));
        };
        check_len(len, end)?;
        let mut start = header.len;
        let mut source: Box<dyn Source> = Box::new(file);
        if header.fortran && header.shape.len() > 1 {
            // Rows are scattered over all of the file: the one case that is held in memory whole.
            let mut columns = Vec::new();
            source.read_to_end(&mut columns)?;
            source = Box::new(Cursor::new(row_major(&columns, &header.shape, size)?));
            start = 0;
        }
        let tensor = Tensor {
            name: NPY_NAME.to_owned(),
            dtype: safetensors_file::dtype(header.float),
            shape: header.shape,
            len: bytes,
            start,
            big_endian: header.big_endian,
        };
        Ok(Self {
            name,
            format: Format::Npy,
            metadata: BTreeMap::new(),
            tensors: vec![tensor],
            source,
        })
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads some elements of a tensor of floats.
    pub(crate) fn values(
        &mut self,
        tensor: &Tensor,
        float: FloatType,
        elements: Range<u64>,
    ) -> Result<Values, Failure> {
        let size = float.size();
        let mut bytes = Vec::new();
        let range = elements.start * size as u64..elements.end * size as u64;
        let read = self.bytes(tensor, range)?.read_to_end(&mut bytes);
        read.map_err(|error| named(&self.name, &error))?;
        if bytes.len() as u64 != (elements.end - elements.start) * size as u64 {
            return Err(Failure::new(format_args!(
                "{}: became shorter while being read",
                self.name
            )));
        }
        if tensor.big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if float == FloatType::F64
            && let Some(at) = beyond_f32(&bytes)
        {
            return Err(Failure::new(format_args!(
                "element {} is beyond f32, which f64 goes by way of",
                elements.start + at as u64
            )));
        }
        Ok(Values::from_le(float, &bytes))
    }

    /// A reader of some bytes of a tensor.
    pub(crate) fn bytes(&mut self, tensor: &Tensor, bytes: Range<u64>) -> Result<impl Read, Failure> {
        self.source
            .seek(SeekFrom::Start(tensor.start + bytes.start))
            .map_err(|error| Failure::io(&self.name, &error))?;
        Ok((&mut self.source).take(bytes.end - bytes.start))
    }
}

/// The first of these f64 that is finite and no longer is as f32.
fn beyond_f32(bytes: &[u8]) -> Option<usize> {
    bytes.as_chunks().0.iter().position(|bytes| {
        let x = f64::from_le_bytes(*bytes);
        x.is_finite() && (x as f32).is_infinite()
    })
}

fn check_len(len: u64, end: u64) -> Result<(), Failure> {
    match len {
        _ if len < end => Err(Failure::new(format_args!("cut short: {len} of {end} bytes"))),
        _ if len > end => Err(Failure::new(format_args!(
            "{} bytes follow the last tensor",
            len - end
        ))),
        _ => Ok(()),
    }
}

/// Reorders the elements of an array whose first dimension runs fastest so that the last one does.
fn row_major(columns: &[u8], shape: &[usize], size: usize) -> Result<Vec<u8>, Failure> {
    let mut rows = Vec::new();
    rows.try_reserve_exact(columns.len())
        .map_err(|_| Failure::new("too large to reorder: this .npy file is in Fortran order"))?;
    let mut strides = vec![size; shape.len()];
    for d in 1..shape.len() {
        strides[d] = strides[d - 1] * shape[d - 1];
    }
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    while rows.len() < columns.len() {
        rows.extend_from_slice(&columns[at..at + size]);
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            at += strides[d];
            if index[d] < shape[d] {
                break;
            }
            at -= strides[d] * shape[d];
            index[d] = 0;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fortran_order_is_undone() {
        // Element (i, j, k) of shape [2, 3, 2] is 100 i + 10 j + k.
        let mut columns = Vec::new();
        for k in 0..2u8 {
            for j in 0..3 {
                for i in 0..2 {
                    columns.push(100 * i + 10 * j + k);
                }
            }
        }
        let rows = row_major(&columns, &[2, 3, 2], 1).unwrap();
        assert_eq!(rows, [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
        assert!(row_major(&[], &[0, 3], 4).unwrap().is_empty());
    }
}
