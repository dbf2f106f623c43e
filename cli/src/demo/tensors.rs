//! The real tensors that the command carries: activations and gradients of two models at several cuts.

use half::bf16;
use half::slice::HalfFloatSliceExt;
use safetensors::{Dtype, SafeTensors};

use crate::failure::Failure;

/// Activations and gradients of each model, in the order of [`Model`].
const FILES: [[&[u8]; 2]; 2] = [
    [
        include_bytes!("../../../tests/data/smollm2_acts.safetensors"),
        include_bytes!("../../../tests/data/smollm2_grads.safetensors"),
    ],
    [
        include_bytes!("../../../tests/data/minilm_acts.safetensors"),
        include_bytes!("../../../tests/data/minilm_grads.safetensors"),
    ],
];

/// A model whose tensors are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// SmolLM2-135M-Instruct, 576 channels, cut in five places.
    Smollm2,
    /// all-MiniLM-L6-v2, 384 channels, cut in three places.
    Minilm,
}

/// What crosses one cut of a model: samples of rows (tokens), each of `width` channels.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Rows of one sample.
    pub(crate) rows: usize,
    /// Channels.
    pub(crate) width: usize,
    /// The activations of all samples, widened from bf16: what goes forward.
    pub(crate) activations: Vec<f32>,
    /// The gradients with respect to them: what comes back.
    pub(crate) gradients: Vec<f32>,
}

impl Cut {
    /// Activations and gradients of each sample.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        let len = self.rows * self.width;
        self.activations
            .chunks_exact(len)
            .zip(self.gradients.chunks_exact(len))
    }
}

/// The cuts of `model`, from its first layer to its last.
pub(crate) fn cuts(model: Model) -> Result<Vec<Cut>, Failure> {
    read(model).ok_or_else(|| Failure::new("the tensors inside this program are damaged"))
}

fn read(model: Model) -> Option<Vec<Cut>> {
    let [activations, gradients] = FILES[model as usize];
    let (activations, gradients) = (
        SafeTensors::deserialize(activations).ok()?,
        SafeTensors::deserialize(gradients).ok()?,
    );
    let mut names: Vec<&str> = activations.names();
    names.sort_unstable();
    let mut cuts = Vec::new();
    for name in names {
        let layer = name.strip_prefix("act.")?;
        let (shape, activations) = widened(&activations, name)?;
        let (gradient_shape, gradients) = widened(&gradients, &format!("grad.{layer}"))?;
        let &[_, rows, width] = shape.as_slice() else {
            return None;
        };
        if shape != gradient_shape || rows * width == 0 {
            return None;
        }
        cuts.push(Cut {
            rows,
            width,
            activations,
            gradients,
        });
    }
    Some(cuts)
}

/// Shape and values of a bf16 tensor.
fn widened(file: &SafeTensors<'_>, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let tensor = file.tensor(name).ok()?;
    if tensor.dtype() != Dtype::BF16 {
        return None;
    }
    let (pairs, _) = tensor.data().as_chunks::<2>();
    let values: Vec<bf16> = pairs.iter().map(|&pair| bf16::from_le_bytes(pair)).collect();
    Some((tensor.shape().to_vec(), values.to_f32_vec()))
}
