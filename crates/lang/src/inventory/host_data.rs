//! What people give a host beside its attributes: from Starlark's values to the model's and back.

use std::collections::BTreeMap;

use model::DataValue;
use starlark::values::dict::{AllocDict, DictRef};
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::{Heap, UnpackValue, Value};

use crate::data::is_unknown;
use crate::inventory::argument::{Call, describe};
use crate::limits::{HOST_DATA_BYTES_MAX, HOST_DATA_DEPTH_MAX, HOST_DATA_VALUES_MAX};

impl Call {
    /// Reads the argument `data`.
    pub fn host_data(&mut self, value: Option<Value<'_>>) -> BTreeMap<String, DataValue> {
        let Some(value) = value.filter(|value| !value.is_none()) else { return BTreeMap::new() };
        if DictRef::from_value(value).is_none() {
            self.bad("data", "a dictionary with strings as keys", value);
            return BTreeMap::new();
        }
        let mut reader = Reader { values: 0, bytes: 0 };
        match reader.read(value, 0) {
            Ok(DataValue::Map(map)) => return map,
            Ok(_) => {}
            Err(Refused::Unknown(value)) => self.bad("data", "known", value),
            Err(Refused::Why(why)) => self.problem(format!("data cannot be kept: {why}")),
        }
        BTreeMap::new()
    }
}

/// Reads a value outside of a declaration.
pub(crate) fn read(value: Value<'_>) -> Result<DataValue, String> {
    let mut reader = Reader { values: 0, bytes: 0 };
    reader.read(value, 0).map_err(|refused| match refused {
        Refused::Unknown(value) => format!("expected a known value, got {}", describe(value)),
        Refused::Why(why) => why,
    })
}

/// Makes a value of Starlark from one of the model. It nests no deeper than the reader allowed.
pub(crate) fn alloc<'v>(value: &DataValue, heap: Heap<'v>) -> Value<'v> {
    match value {
        DataValue::None => Value::new_none(),
        DataValue::Bool(value) => Value::new_bool(*value),
        DataValue::Int(value) => heap.alloc(*value),
        DataValue::Text(value) => heap.alloc(value.as_str()),
        DataValue::List(values) => {
            let values: Vec<Value<'v>> = values.iter().map(|it| alloc(it, heap)).collect();
            heap.alloc(values)
        }
        DataValue::Map(values) => alloc_map(values, heap),
    }
}

/// Makes a dictionary of Starlark.
pub(crate) fn alloc_map<'v>(values: &BTreeMap<String, DataValue>, heap: Heap<'v>) -> Value<'v> {
    let pairs: Vec<(&str, Value<'v>)> =
        values.iter().map(|(key, value)| (key.as_str(), alloc(value, heap))).collect();
    heap.alloc(AllocDict(pairs))
}

enum Refused<'v> {
    Unknown(Value<'v>),
    Why(String),
}

/// Counts while it reads: a value may contain another many times over.
struct Reader {
    values: usize,
    bytes: usize,
}

impl Reader {
    fn read<'v>(&mut self, value: Value<'v>, depth: usize) -> Result<DataValue, Refused<'v>> {
        self.values += 1;
        if depth > HOST_DATA_DEPTH_MAX {
            return refuse(format!("it nests deeper than {HOST_DATA_DEPTH_MAX} levels"));
        }
        if self.values > HOST_DATA_VALUES_MAX {
            return refuse(format!("it has more than {HOST_DATA_VALUES_MAX} values"));
        }
        if let Some(text) = value.unpack_str() {
            return self.text(text).map(DataValue::Text);
        }
        if value.is_none() {
            return Ok(DataValue::None);
        }
        if let Some(value) = value.unpack_bool() {
            return Ok(DataValue::Bool(value));
        }
        if let Ok(Some(number)) = i64::unpack_value(value) {
            return Ok(DataValue::Int(number));
        }
        if let Some(map) = DictRef::from_value(value) {
            let mut read = BTreeMap::new();
            for (key, value) in map.iter() {
                let Some(key) = key.unpack_str() else {
                    return refuse(format!("expected strings as keys, got {}", describe(key)));
                };
                read.insert(self.text(key)?, self.read(value, depth + 1)?);
            }
            return Ok(DataValue::Map(read));
        }
        if let Ok(Some(list)) = UnpackListOrTuple::<Value<'v>>::unpack_value(value) {
            let values = list.items.into_iter().map(|value| self.read(value, depth + 1));
            return values.collect::<Result<_, _>>().map(DataValue::List);
        }
        if is_unknown(value) {
            return Err(Refused::Unknown(value));
        }
        let expected = "strings, whole numbers (64 bits), True, False, None, lists and dictionaries of them";
        refuse(format!("expected {expected}, got {}", describe(value)))
    }

    fn text<'v>(&mut self, text: &str) -> Result<String, Refused<'v>> {
        self.bytes += text.len();
        if self.bytes > HOST_DATA_BYTES_MAX {
            return refuse(format!("it is larger than {HOST_DATA_BYTES_MAX} bytes"));
        }
        Ok(text.to_owned())
    }
}

fn refuse<'v, T>(why: String) -> Result<T, Refused<'v>> {
    Err(Refused::Why(why))
}
