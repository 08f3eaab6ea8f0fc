//! MATLAB files of version 5, as far as lists of annotations need them: numbers, text, cells and
//! structs, plain or deflated. Crates for it read numeric arrays only, or bind a C library.
//! Format: "MAT-File Format", The MathWorks.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::ZlibDecoder;

/// One element of a struct array, by field.
pub(super) type Structure = BTreeMap<String, Value>;

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A numeric array, column by column.
    Numbers(Vec<f64>),
    /// A character array of one row.
    Text(String),
    /// A cell array, column by column.
    Cells(Vec<Self>),
    /// A struct array, column by column.
    Structures(Vec<Structure>),
    /// Anything else.
    Other,
}

type Parsed<T> = std::result::Result<T, String>;

/// Greatest size of an inflated variable, in bytes: a damaged file must not fill the memory.
const INFLATED_LIMIT: u64 = 1 << 30;
/// Cells in cells, structs in structs: deeper is damage.
const DEPTH_LIMIT: usize = 16;

const MI_INT8: u32 = 1;
const MI_UINT8: u32 = 2;
const MI_INT16: u32 = 3;
const MI_UINT16: u32 = 4;
const MI_INT32: u32 = 5;
const MI_UINT32: u32 = 6;
const MI_SINGLE: u32 = 7;
const MI_DOUBLE: u32 = 9;
const MI_MATRIX: u32 = 14;
const MI_COMPRESSED: u32 = 15;
const MI_UTF8: u32 = 16;
const MI_UTF16: u32 = 17;

/// The variables of a file by name. The error says what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Parsed<BTreeMap<String, Value>> {
    let header = bytes.get(..128).ok_or("no MATLAB file: too short")?;
    if header.starts_with(b"MATLAB 7.3") {
        return Err("a MATLAB 7.3 (HDF5) file; version 5 is read".to_owned());
    }
    if &header[126..128] != b"IM" {
        return Err("no MATLAB file of version 5 (little-endian)".to_owned());
    }
    let mut input = Input(&bytes[128..]);
    let mut variables = BTreeMap::new();
    while !input.0.is_empty() {
        let (kind, data) = input.element()?;
        let (name, value) = match kind {
            MI_COMPRESSED => {
                let mut inflated = Vec::new();
                ZlibDecoder::new(data)
                    .take(INFLATED_LIMIT)
                    .read_to_end(&mut inflated)
                    .map_err(|error| format!("damaged MATLAB file: {error}"))?;
                match Input(&inflated).element()? {
                    (MI_MATRIX, data) => matrix(data, 0)?,
                    _ => continue,
                }
            }
            MI_MATRIX => matrix(data, 0)?,
            _ => continue,
        };
        variables.insert(name, value);
    }
    Ok(variables)
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = (self.0.split_at_checked(count)).ok_or("the MATLAB file is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Parsed<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The type and bytes of the next element; up to 4 bytes are packed into its tag.
    fn element(&mut self) -> Parsed<(u32, &'a [u8])> {
        let tag = self.word()?;
        if tag >> 16 != 0 {
            let data = self.take(4)?;
            let count = (tag >> 16) as usize;
            let data = data
                .get(..count)
                .ok_or("damaged MATLAB file: element size")?;
            return Ok((tag & 0xFFFF, data));
        }
        let count = self.word()? as usize;
        let data = self.take(count)?;
        if tag != MI_COMPRESSED {
            let padding = count.next_multiple_of(8) - count;
            self.0 = &self.0[padding.min(self.0.len())..];
        }
        Ok((tag, data))
    }
}

/// An array with its name.
fn matrix(data: &[u8], depth: usize) -> Parsed<(String, Value)> {
    if data.is_empty() {
        return Ok((String::new(), Value::Other));
    }
    if depth > DEPTH_LIMIT {
        return Err("damaged MATLAB file: nested too deeply".to_owned());
    }
    let mut input = Input(data);
    let (_, flags) = input.element()?;
    let class = *flags.first().ok_or("damaged MATLAB file: array flags")?;
    let (kind, dimensions) = input.element()?;
    let count = numbers(kind, dimensions)?
        .iter()
        .map(|&size| size as usize)
        .try_fold(1usize, usize::checked_mul)
        .ok_or("damaged MATLAB file: array size")?;
    let (_, name) = input.element()?;
    let name = String::from_utf8_lossy(name).into_owned();
    let value = match class {
        1 => Value::Cells(
            (0..count)
                .map(|_| nested(&mut input, depth))
                .collect::<Parsed<_>>()?,
        ),
        2 => Value::Structures(structures(&mut input, count, depth)?),
        4 => {
            let (kind, data) = input.element()?;
            Value::Text(text(kind, data)?)
        }
        6..=15 => {
            let (kind, data) = input.element()?;
            Value::Numbers(numbers(kind, data)?)
        }
        _ => Value::Other,
    };
    Ok((name, value))
}

fn nested(input: &mut Input<'_>, depth: usize) -> Parsed<Value> {
    match input.element()? {
        (MI_MATRIX, data) => Ok(matrix(data, depth + 1)?.1),
        (kind, _) => Err(format!("damaged MATLAB file: type {kind} inside an array")),
    }
}

fn structures(input: &mut Input<'_>, count: usize, depth: usize) -> Parsed<Vec<Structure>> {
    let (kind, length) = input.element()?;
    let length = numbers(kind, length)?
        .first()
        .map_or(0, |&length| length as usize);
    let (_, names) = input.element()?;
    let name = |bytes: &[u8]| {
        let end = bytes.iter().position(|&byte| byte == 0);
        String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
    };
    let fields: Vec<String> = names.chunks_exact(length.max(1)).map(name).collect();
    let mut found = Vec::new();
    for _ in 0..count {
        let mut structure = Structure::new();
        for field in &fields {
            structure.insert(field.clone(), nested(input, depth)?);
        }
        found.push(structure);
    }
    Ok(found)
}

fn numbers(kind: u32, data: &[u8]) -> Parsed<Vec<f64>> {
    fn each<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let (chunks, _) = data.as_chunks::<N>();
        chunks.iter().map(|&chunk| convert(chunk)).collect()
    }
    Ok(match kind {
        MI_INT8 => each(data, |bytes| i8::from_le_bytes(bytes).into()),
        MI_UINT8 => each(data, |bytes| u8::from_le_bytes(bytes).into()),
        MI_INT16 => each(data, |bytes| i16::from_le_bytes(bytes).into()),
        MI_UINT16 => each(data, |bytes| u16::from_le_bytes(bytes).into()),
        MI_INT32 => each(data, |bytes| i32::from_le_bytes(bytes).into()),
        MI_UINT32 => each(data, |bytes| u32::from_le_bytes(bytes).into()),
        MI_SINGLE => each(data, |bytes| f32::from_le_bytes(bytes).into()),
        MI_DOUBLE => each(data, f64::from_le_bytes),
        _ => return Err(format!("numbers of type {kind} in the MATLAB file")),
    })
}

fn text(kind: u32, data: &[u8]) -> Parsed<String> {
    match kind {
        MI_UTF8 | MI_INT8 | MI_UINT8 => Ok(String::from_utf8_lossy(data).into_owned()),
        MI_UINT16 | MI_UTF16 => {
            let (pairs, _) = data.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
            Ok(String::from_utf16_lossy(&units))
        }
        _ => Err(format!("text of type {kind} in the MATLAB file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = include_bytes!("../../../tests/samples/annotations_plain.mat");
    const DEFLATED: &[u8] = include_bytes!("../../../tests/samples/annotations_deflated.mat");

    #[test]
    fn structs_cells_numbers_and_text_are_read() {
        let plain = read(PLAIN).unwrap();
        assert_eq!(plain, read(DEFLATED).unwrap());
        let Value::Structures(annotations) = &plain["annotations"] else {
            panic!("{plain:?}");
        };
        assert_eq!(annotations.len(), 3);
        assert_eq!(annotations[2]["fname"], Value::Text("00003.jpg".into()));
        assert_eq!(annotations[2]["class"], Value::Numbers(vec![196.0]));
        assert_eq!(annotations[1]["bbox_x2"], Value::Numbers(vec![300.0]));
        let names = ["AM General Hummer SUV 2000", "Citroën"].map(|name| Value::Text(name.into()));
        assert_eq!(plain["class_names"], Value::Cells(names.to_vec()));
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        for length in 0..PLAIN.len() {
            // Cut between two variables a shorter file is a sound one.
            let whole = read(PLAIN).unwrap();
            match read(&PLAIN[..length]) {
                Ok(part) => assert!(part.len() < whole.len(), "{length}"),
                Err(text) => assert!(!text.is_empty()),
            }
        }
        for at in 128..PLAIN.len() {
            let mut bytes = PLAIN.to_vec();
            bytes[at] ^= 0xFF;
            read(&bytes).ok();
        }
        assert!(read(&DEFLATED[..DEFLATED.len() - 9]).is_err());
    }
}
