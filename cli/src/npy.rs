//! Headers of .npy files (numpy's own format, versions 1 to 3), for arrays of floats.

use std::io::{Read, Write};

use crate::failure::Failure;
use crate::input::fill;
use crate::tensor::FloatType;

/// The first bytes of every .npy file.
pub(crate) const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// The longest header that is believed.
const MAX_HEADER: u32 = 1 << 20;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) float: FloatType,
    pub(crate) big_endian: bool,
    /// The first dimension runs fastest.
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
    /// Where the data start.
    pub(crate) len: u64,
}

/// Reads the header at the start of a file.
pub(crate) fn read_header(file: &mut impl Read) -> Result<Header, Failure> {
    let short = || Failure::new("the .npy header is cut short");
    let mut start = [0; 8];
    if fill(file, &mut start)? < start.len() || start[..6] != MAGIC {
        return Err(short());
    }
    let mut size = [0; 4];
    let size_len = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(Failure::new(format_args!("unknown .npy version {version}"))),
    };
    if fill(file, &mut size[..size_len])? < size_len {
        return Err(short());
    }
    let size = u32::from_le_bytes(size);
    if size > MAX_HEADER {
        return Err(Failure::new(format_args!(
            "a .npy header of {size} bytes is not believed"
        )));
    }
    let mut text = vec![0; size as usize];
    if fill(file, &mut text)? < text.len() {
        return Err(short());
    }
    let text = String::from_utf8_lossy(&text);
    let len = (start.len() + size_len) as u64 + u64::from(size);
    parse(&text, len).unwrap_or_else(|| Err(Failure::new("the .npy header cannot be read")))
}

fn parse(text: &str, len: u64) -> Option<Result<Header, Failure>> {
    let descr = value(text, "descr")?;
    let fortran = match value(text, "fortran_order")? {
        rest if rest.starts_with("True") => true,
        rest if rest.starts_with("False") => false,
        _ => return None,
    };
    let shape = value(text, "shape")?.strip_prefix('(')?;
    let shape = shape[..shape.find(')')?]
        .split(',')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        // Python 2 wrote long integers so.
        .map(|d| d.trim_end_matches('L').parse().ok())
        .collect::<Option<Vec<usize>>>()?;
    let Some(descr) = descr.strip_prefix(['\'', '"']) else {
        return Some(Err(Failure::new(
            "structured .npy arrays cannot be encoded, only floats",
        )));
    };
    let descr = &descr[..descr.find(['\'', '"'])?];
    let (order, kind) = match descr.strip_prefix(['<', '>', '=', '|']) {
        Some(kind) => (&descr[..1], kind),
        None => ("=", descr),
    };
    let float = match kind {
        "f2" => FloatType::F16,
        "f4" => FloatType::F32,
        "f8" => FloatType::F64,
        _ => {
            return Some(Err(Failure::new(format_args!(
                "elements of type {descr} cannot be encoded, only f2, f4 and f8"
            ))));
        }
    };
    Some(Ok(Header {
        float,
        big_endian: order == ">" || (order == "=" && cfg!(target_endian = "big")),
        fortran,
        shape,
        len,
    }))
}

/// What follows `'key':` in a Python dictionary without nesting of its own.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = ['\'', '"']
        .iter()
        .find_map(|quote| text.find(&format!("{quote}{key}{quote}")))?;
    text[at + key.len() + 2..]
        .trim_start()
        .strip_prefix(':')
        .map(str::trim_start)
}

/// Writes a header, little-endian and row-major. Numpy has no bfloat16.
pub(crate) fn write_header(out: &mut impl Write, float: FloatType, shape: &[usize]) -> Result<(), Failure> {
    let descr = match float {
        FloatType::F64 => "<f8",
        FloatType::F32 => "<f4",
        FloatType::F16 => "<f2",
        FloatType::Bf16 => return Err(Failure::new("a .npy file cannot hold bf16")),
    };
    let shape: String = shape.iter().map(|d| format!("{d},")).collect();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Data start at a multiple of 64.
    let start = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64);
    while MAGIC.len() + 4 + text.len() + 1 < start {
        text.push(' ');
    }
    text.push('\n');
    let size = u16::try_from(text.len()).map_err(|_| Failure::new("too many dimensions for .npy"))?;
    out.write_all(&MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&size.to_le_bytes())?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Header, Failure> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        read_header(&mut &bytes[..])
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        let header = of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n").unwrap();
        assert_eq!(
            (header.float, header.fortran, header.shape),
            (FloatType::F32, false, vec![2, 3])
        );
        let header = of("{'descr': '>f2', 'fortran_order': True, 'shape': (5,), }").unwrap();
        assert_eq!(
            (header.float, header.fortran, header.shape),
            (FloatType::F16, true, vec![5])
        );
        assert!(header.big_endian);
        let header = of("{'descr': '<f8', 'fortran_order': False, 'shape': (), }").unwrap();
        assert!(header.shape.is_empty());
    }

    #[test]
    fn other_headers_are_refused() {
        for text in [
            "",
            "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, x), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }",
            "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }",
            "{'descr': '<f4', 'shape': (2,), }",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in [vec![], vec![3], vec![2, 0, 7]] {
            let mut bytes = Vec::new();
            write_header(&mut bytes, FloatType::F16, &shape).unwrap();
            assert_eq!(bytes.len() % 64, 0);
            let header = read_header(&mut &bytes[..]).unwrap();
            assert_eq!((header.len, header.shape), (bytes.len() as u64, shape));
        }
    }
}
