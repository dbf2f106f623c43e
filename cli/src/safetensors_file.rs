//! Headers of safetensors files. The data are read by whoever needs them, never all at once.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::failure::Failure;
use crate::input::fill;
use crate::tensor::FloatType;

/// The longest header that is believed, as the safetensors library has it.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes of the number that a file starts with.
const SIZE_LEN: u64 = 8;

/// What a header says.
#[derive(Debug)]
pub(crate) struct Header {
    /// The free text entries, `__metadata__`.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Name and place of every tensor, in the order of the data; offsets count from the start of the file.
    pub(crate) tensors: Vec<Entry>,
    /// Where the last tensor ends.
    pub(crate) end: u64,
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// The float type that the codec takes, if it is one.
pub(crate) const fn float(dtype: Dtype) -> Option<FloatType> {
    match dtype {
        Dtype::F64 => Some(FloatType::F64),
        Dtype::F32 => Some(FloatType::F32),
        Dtype::F16 => Some(FloatType::F16),
        Dtype::BF16 => Some(FloatType::Bf16),
        _ => None,
    }
}

/// The other way round.
pub(crate) const fn dtype(float: FloatType) -> Dtype {
    match float {
        FloatType::F64 => Dtype::F64,
        FloatType::F32 => Dtype::F32,
        FloatType::F16 => Dtype::F16,
        FloatType::Bf16 => Dtype::BF16,
    }
}

/// Reads the header at the start of a file.
pub(crate) fn read_header(file: &mut impl Read) -> Result<Header, Failure> {
    let mut size = [0; SIZE_LEN as usize];
    if fill(file, &mut size)? < size.len() {
        return Err(Failure::new("neither safetensors nor .npy: too short"));
    }
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER {
        return Err(Failure::new("neither safetensors nor .npy"));
    }
    let mut text = Vec::new();
    let read = file.take(size).read_to_end(&mut text)? as u64;
    if read < size {
        return Err(Failure::new(format_args!(
            "the safetensors header is cut short: {read} of {size} bytes"
        )));
    }
    let parsed: Metadata = serde_json::from_slice(&text)
        .map_err(|error| Failure::new(format_args!("bad safetensors header: {error}")))?;
    let base = SIZE_LEN + size;
    let mut tensors: Vec<Entry> = parsed
        .tensors()
        .into_iter()
        .map(|(name, info)| Entry {
            name,
            dtype: info.dtype,
            shape: info.shape.clone(),
            start: base + info.data_offsets.0 as u64,
            len: (info.data_offsets.1 - info.data_offsets.0) as u64,
        })
        .collect();
    tensors.sort_by(|a, b| (a.start, a.len, &a.name).cmp(&(b.start, b.len, &b.name)));
    Ok(Header {
        metadata: parsed
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect(),
        end: base + parsed.data_len() as u64,
        tensors,
    })
}

/// Writes the header of tensors that follow in this order, `(name, dtype, shape, bytes)` each. The same
/// input gives the same bytes.
pub(crate) fn write_header<'a>(
    out: &mut impl Write,
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, Dtype, Vec<usize>, u64)>,
) -> Result<(), Failure> {
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), serde_json::to_value(metadata)?);
    }
    let mut start = 0;
    for (name, dtype, shape, len) in tensors {
        let end = start + len as usize;
        let info = TensorInfo {
            dtype,
            shape,
            data_offsets: (start, end),
        };
        header.insert(name.to_owned(), serde_json::to_value(&info)?);
        start = end;
    }
    let mut text = serde_json::to_string(&header)?;
    // Data start at a multiple of 8.
    while text.len() % 8 != 0 {
        text.push(' ');
    }
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let metadata = BTreeMap::from([
            ("b".to_owned(), "2".to_owned()),
            ("a".to_owned(), "\"1\"".to_owned()),
        ]);
        let tensors = [
            ("x \u{e9}", Dtype::F16, vec![2, 3], 12),
            ("e", Dtype::F32, vec![0], 0),
            ("u", Dtype::U8, vec![3], 3),
        ];
        let mut bytes = Vec::new();
        write_header(&mut bytes, &metadata, tensors.clone().into_iter()).unwrap();
        let header = read_header(&mut &bytes[..]).unwrap();
        assert_eq!(header.metadata, metadata);
        assert_eq!(header.end, bytes.len() as u64 + 15);
        let read: Vec<_> = header
            .tensors
            .iter()
            .map(|t| (t.name.as_str(), t.dtype, t.shape.clone(), t.len))
            .collect();
        assert_eq!(read.len(), 3);
        assert!(tensors.iter().all(|tensor| read.contains(tensor)));
    }
}
