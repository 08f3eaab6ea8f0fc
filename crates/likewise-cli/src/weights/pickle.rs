//! The part of Python's pickle language in which PyTorch writes state dicts. Nothing is executed:
//! of all classes and functions a pickle may name, only those that describe tensors have a meaning
//! here, and every other one is an error.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use burn::tensor::DType;

/// How deeply a description of one object may be nested.
const MAX_STACK: usize = 1 << 20;

/// A value of the pickle. Lists and dictionaries are shared, because a pickle goes on filling them
/// after it has referred to them.
#[derive(Clone, Debug)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text(String),
    Bytes,
    Tuple(Vec<Value>),
    List(Rc<RefCell<Vec<Value>>>),
    Dict(Rc<RefCell<Vec<(Value, Value)>>>),
    /// A class or function by module and name.
    Global(String),
    Storage(Storage),
    Tensor(Tensor),
}

/// Numbers that lie elsewhere in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub key: String,
    pub dtype: DType,
    /// Number of values.
    pub count: usize,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Value {
    pub fn text(&self) -> Result<&str> {
        match self {
            Self::Text(text) => Ok(text),
            other => bail!("{} where a text was expected", other.kind()),
        }
    }

    pub fn size(&self) -> Result<usize> {
        match self {
            Self::Int(number) => {
                usize::try_from(*number).with_context(|| format!("{number} is no size"))
            }
            other => bail!("{} where a number was expected", other.kind()),
        }
    }

    fn sizes(&self) -> Result<Vec<usize>> {
        match self {
            Self::Tuple(values) => values.iter().map(Self::size).collect(),
            Self::List(values) => values.borrow().iter().map(Self::size).collect(),
            other => bail!("{} where sizes were expected", other.kind()),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a whole number",
            Self::Float => "a number",
            Self::Text(_) => "a text",
            Self::Bytes => "bytes",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Global(_) => "a class",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// Reads the pickle that `bytes` begin with; returns it and its length.
pub fn read(bytes: &[u8]) -> Result<(Value, usize)> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let at = machine.at;
        let finished = machine
            .step()
            .with_context(|| format!("at byte {at} of the pickle"))?;
        if let Some(value) = finished {
            return Ok((value, machine.at));
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl<'a> Machine<'a> {
    /// One instruction; the value if it was the last.
    fn step(&mut self) -> Result<Option<Value>> {
        let [code] = self.array()?;
        match code {
            0x80 => drop(self.take(1)?), // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'.' => return self.pop().map(Some),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()))?;
            }
            b'K' => {
                let [number] = self.array()?;
                self.push(Value::Int(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()))?;
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Float)?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.text(length)?;
            }
            0x8c | b'U' => {
                let [length] = self.array()?;
                self.text(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.take(length)?;
                self.push(Value::Bytes)?;
            }
            b'C' => {
                let [length] = self.array()?;
                self.take(length.into())?;
                self.push(Value::Bytes)?;
            }
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(code)?,
            b']' | b'l' | b'a' | b'e' => self.list(code)?,
            b'}' | b'd' | b's' | b'u' => self.dictionary(code)?,
            b')' | b't' | 0x85..=0x87 => self.tuple(code)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(format!("{module}.{name}")))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let global = format!("{}.{}", module.text()?, name.text()?);
                self.push(Value::Global(global))?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(storage(&id)?)?;
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.push(call(&function, &arguments)?)?;
            }
            // The state of an object: the metadata of a state dict, the flags of a parameter.
            b'b' => drop(self.pop()?),
            other => bail!("instruction {other:#04x} does not occur in state dicts"),
        }
        Ok(None)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let bytes = end.and_then(|end| self.bytes.get(self.at..end));
        self.at += count;
        bytes.context("the file ends too early")
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .context("the file ends too early")?;
        self.at += length + 1;
        Ok(std::str::from_utf8(&rest[..length])?)
    }

    fn push(&mut self, value: Value) -> Result<()> {
        if self.stack.len() >= MAX_STACK {
            bail!("the description is nested too deeply");
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= bottom {
            bail!("a value is missing");
        }
        self.stack.pop().context("a value is missing")
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.marks.pop().context("a mark is missing")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let text = std::str::from_utf8(self.take(length)?).context("a text is not UTF-8")?;
        self.push(Value::Text(text.to_owned()))
    }

    /// Whole numbers of up to eight bytes have a value; the longer ones are magic numbers.
    fn long(&mut self) -> Result<()> {
        let [length] = self.array()?;
        let digits = self.take(length.into())?;
        let negative = digits.last().is_some_and(|&byte| byte >= 0x80);
        let mut bytes = [if negative { 0xff } else { 0 }; 8];
        let value = if digits.len() <= 8 {
            bytes[..digits.len()].copy_from_slice(digits);
            Value::Int(i64::from_le_bytes(bytes))
        } else {
            Value::Bytes
        };
        self.push(value)
    }

    fn remember(&mut self, code: u8) -> Result<()> {
        let place = match code {
            0x94 => self.memo.len() as u32,
            b'q' | b'h' => u32::from(self.array::<1>()?[0]),
            _ => u32::from_le_bytes(self.array()?),
        };
        if matches!(code, b'h' | b'j') {
            let value = self.memo.get(&place).cloned();
            return self.push(value.context("a value that was never kept is used")?);
        }
        let value = self.stack.last().cloned().context("a value is missing")?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn list(&mut self, code: u8) -> Result<()> {
        let values = match code {
            b']' => Vec::new(),
            b'a' => vec![self.pop()?],
            _ => self.pop_to_mark()?,
        };
        if matches!(code, b']' | b'l') {
            return self.push(Value::List(Rc::new(RefCell::new(values))));
        }
        match self.stack.last() {
            Some(Value::List(list)) => list.borrow_mut().extend(values),
            _ => bail!("values are added to what is no list"),
        }
        Ok(())
    }

    fn dictionary(&mut self, code: u8) -> Result<()> {
        let values = match code {
            b'}' => Vec::new(),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
            _ => self.pop_to_mark()?,
        };
        if !values.len().is_multiple_of(2) {
            bail!("a key has no value");
        }
        let entries = values
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()));
        if matches!(code, b'}' | b'd') {
            return self.push(Value::Dict(Rc::new(RefCell::new(entries.collect()))));
        }
        match self.stack.last() {
            Some(Value::Dict(dictionary)) => dictionary.borrow_mut().extend(entries),
            _ => bail!("entries are added to what is no dictionary"),
        }
        Ok(())
    }

    fn tuple(&mut self, code: u8) -> Result<()> {
        let values = match code {
            b')' => Vec::new(),
            b't' => self.pop_to_mark()?,
            _ => {
                let mut values = Vec::new();
                for _ in 0x84..code {
                    values.insert(0, self.pop()?);
                }
                values
            }
        };
        self.push(Value::Tuple(values))
    }
}

/// A persistent id: `("storage", class, key, location, count)` and, in the old format, a view.
fn storage(id: &Value) -> Result<Value> {
    let Value::Tuple(fields) = id else {
        bail!("{} instead of a storage", id.kind());
    };
    let [
        Value::Text(tag),
        Value::Global(class),
        key,
        _location,
        count,
        view @ ..,
    ] = &fields[..]
    else {
        bail!("a storage is described in an unknown way");
    };
    if tag != "storage" || !matches!(view, [] | [Value::None]) {
        bail!("a storage is described in an unknown way");
    }
    let dtype = match class.as_str() {
        "torch.FloatStorage" => DType::F32,
        "torch.DoubleStorage" => DType::F64,
        "torch.HalfStorage" => DType::F16,
        "torch.BFloat16Storage" => DType::BF16,
        "torch.LongStorage" => DType::I64,
        "torch.IntStorage" => DType::I32,
        "torch.ShortStorage" => DType::I16,
        "torch.CharStorage" => DType::I8,
        "torch.ByteStorage" => DType::U8,
        other => bail!("numbers of the type {other} cannot be read"),
    };
    Ok(Value::Storage(Storage {
        key: key.text()?.to_owned(),
        dtype,
        count: count.size()?,
    }))
}

/// The functions and classes that state dicts are made of.
fn call(function: &Value, arguments: &Value) -> Result<Value> {
    let (Value::Global(name), Value::Tuple(arguments)) = (function, arguments) else {
        bail!("{} is called", function.kind());
    };
    match (name.as_str(), &arguments[..]) {
        ("collections.OrderedDict", []) => Ok(Value::Dict(Rc::default())),
        ("collections.OrderedDict", [Value::List(pairs)]) => {
            let pair = |value: &Value| match value {
                Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0].clone(), pair[1].clone())),
                Value::List(pair) if pair.borrow().len() == 2 => {
                    let pair = pair.borrow();
                    Ok((pair[0].clone(), pair[1].clone()))
                }
                other => bail!("{} where a key and a value were expected", other.kind()),
            };
            let entries: Result<Vec<_>> = pairs.borrow().iter().map(pair).collect();
            Ok(Value::Dict(Rc::new(RefCell::new(entries?))))
        }
        (
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
            [Value::Storage(storage), offset, shape, strides, ..],
        ) => {
            let (shape, strides) = (shape.sizes()?, strides.sizes()?);
            if shape.len() != strides.len() {
                bail!(
                    "a tensor has {} sizes and {} strides",
                    shape.len(),
                    strides.len()
                );
            }
            Ok(Value::Tensor(Tensor {
                storage: storage.clone(),
                offset: offset.size()?,
                shape,
                strides,
            }))
        }
        (
            "torch._utils._rebuild_parameter"
            | "torch.nn.parameter.Parameter"
            | "torch.autograd.variable.Variable",
            [tensor @ Value::Tensor(_), ..],
        ) => Ok(tensor.clone()),
        _ => bail!(
            "it calls {name}, which does not describe a tensor; nothing was executed. Save the \
             state dict alone: torch.save(model.state_dict(), FILE)"
        ),
    }
}
