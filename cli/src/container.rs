//! The container of encoded tensors, `.tahq`: a safetensors file in which every tensor of floats has become
//! a tensor of bytes, its frames one after another, under the same name. Metadata entries that start with
//! `tahq.` say what it was; other tensors and other metadata stay as they are.
//!
//! | entry | content |
//! |---|---|
//! | `tahq.container` | version of these rules, `1` |
//! | `tahq.source` | format of the source, `safetensors` or `npy` |
//! | `tahq.preset`, `tahq.effort` | what it was encoded with, for information |
//! | `tahq.tensor.NAME` | `{"dtype":"BF16","shape":[2,128,576]}` |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::input::Whole;
use crate::presets::{Effort, Preset};
use crate::tensor::{self, FloatType};
use crate::tensor_file::{Format, Tensor, TensorFile};

/// What all entries of ours start with.
const PREFIX: &str = "tahq.";
const CONTAINER: &str = "tahq.container";
const SOURCE: &str = "tahq.source";
const PRESET: &str = "tahq.preset";
const EFFORT: &str = "tahq.effort";
const TENSOR: &str = "tahq.tensor.";
const VERSION: &str = "1";

/// What an encoded tensor was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Original {
    pub(crate) dtype: FloatType,
    pub(crate) shape: Vec<usize>,
}

/// An open container.
pub(crate) struct Container {
    pub(crate) file: TensorFile,
    /// The format of the source.
    pub(crate) format: Format,
    /// The source's own metadata.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Every tensor; those without an original are stored as they were.
    pub(crate) entries: Vec<(Tensor, Option<Original>)>,
}

/// Whether a file's metadata make it a container.
pub(crate) fn is_container(metadata: &BTreeMap<String, String>) -> bool {
    metadata.contains_key(CONTAINER)
}

/// The metadata of the container for the tensors of `file`.
pub(crate) fn metadata(
    file: &TensorFile,
    preset: Preset,
    effort: Effort,
) -> Result<BTreeMap<String, String>, Failure> {
    if is_container(&file.metadata) {
        return Err(Failure::new("is a TAHQ container already"));
    }
    let mut metadata = file.metadata.clone();
    if let Some(key) = metadata.keys().find(|key| key.starts_with(PREFIX)) {
        return Err(Failure::new(format_args!(
            "has a metadata entry {key}, a name that the container needs"
        )));
    }
    let source = match file.format {
        Format::Safetensors => "safetensors",
        Format::Npy => "npy",
    };
    let entries = [
        (CONTAINER, VERSION),
        (SOURCE, source),
        (PRESET, preset.name()),
        (EFFORT, effort.name()),
    ];
    metadata.extend(entries.map(|(key, value)| (key.to_owned(), value.to_owned())));
    for tensor in &file.tensors {
        if let Some(dtype) = tensor.float() {
            let shape = tensor.shape.clone();
            let original = serde_json::to_string(&Original { dtype, shape })?;
            metadata.insert(format!("{TENSOR}{}", tensor.name), original);
        }
    }
    Ok(metadata)
}

/// Reads one entry of ours about a tensor.
pub(crate) fn original(metadata: &BTreeMap<String, String>, name: &str) -> Result<Option<Original>, Failure> {
    let Some(text) = metadata.get(&format!("{TENSOR}{name}")) else {
        return Ok(None);
    };
    let original: Original = serde_json::from_str(text)
        .map_err(|error| Failure::new(format_args!("tensor {name}: bad container entry: {error}")))?;
    match tensor::elements(&original.shape).and_then(|n| n.checked_mul(8)) {
        Some(_) => Ok(Some(original)),
        None => Err(Failure::new(format_args!("tensor {name}: impossible shape"))),
    }
}

/// The preset that a container names.
pub(crate) fn preset(metadata: &BTreeMap<String, String>) -> Option<String> {
    let preset = metadata.get(PRESET)?;
    Some(match metadata.get(EFFORT) {
        Some(effort) => format!("{preset} {effort}"),
        None => preset.clone(),
    })
}

impl Container {
    /// Opens a container.
    pub(crate) fn open(whole: Whole) -> Result<Self, Failure> {
        let file = TensorFile::of(whole)?;
        let name = file.name().to_owned();
        Self::of(file).map_err(|failure| failure.context(name))
    }

    fn of(file: TensorFile) -> Result<Self, Failure> {
        let all = &file.metadata;
        match all.get(CONTAINER).map(String::as_str) {
            Some(VERSION) => {}
            Some(version) => return Err(Failure::new(format_args!("unknown container version {version}"))),
            None => return Err(Failure::new("a tensor file, not encoded; see `tahq encode`")),
        }
        let format = match all.get(SOURCE).map(String::as_str) {
            Some("npy") => Format::Npy,
            _ => Format::Safetensors,
        };
        let entries = file
            .tensors
            .iter()
            .map(|tensor| Ok((tensor.clone(), original(all, &tensor.name)?)))
            .collect::<Result<_, Failure>>()?;
        let own = all.iter().filter(|(key, _)| !key.starts_with(PREFIX));
        Ok(Self {
            format,
            metadata: own.map(|(key, value)| (key.clone(), value.clone())).collect(),
            entries,
            file,
        })
    }
}
