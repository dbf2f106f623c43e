//! Two pipeline stages and what passes between them: activations forward, gradients back.

use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use half::f16;
use half::slice::HalfFloatSliceExt;
use tahq::{Config, Decoder, Encoder, SourceType};

use super::link::{self, Paced};
use super::quality::Quality;
use crate::failure::Failure;
use crate::progress::Progress;

/// A tensor as it crosses a cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) rows: u32,
    pub(crate) width: u32,
}

/// What goes forward and what comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MicroBatch<'a> {
    pub(crate) activations: Tensor<'a>,
    pub(crate) gradients: Tensor<'a>,
}

/// How tensors are put into frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Coding {
    /// As they are.
    F32,
    /// Rounded to f16.
    F16,
    /// By a configuration of the codec.
    Codec(Config),
}

impl Coding {
    const fn config(&self) -> Config {
        match self {
            Self::F32 | Self::F16 => Config::RAW,
            Self::Codec(config) => *config,
        }
    }
}

/// An encoder with the memory that it keeps between frames.
struct Coder {
    coding: Coding,
    encoder: Encoder<'static>,
    rounded: Vec<f16>,
    frame: Vec<u8>,
}

impl Coder {
    fn new(coding: Coding) -> Result<Self, Failure> {
        Ok(Self {
            coding,
            encoder: Encoder::new(coding.config())?,
            rounded: Vec::new(),
            frame: Vec::new(),
        })
    }

    /// The frame of `tensor`.
    fn encode(&mut self, tensor: Tensor<'_>) -> Result<&[u8], Failure> {
        let Tensor { values, rows, width } = tensor;
        let half = self.coding == Coding::F16;
        let source = if half { SourceType::F16 } else { SourceType::F32 };
        let room = self.encoder.config().max_frame_len(rows, width, source)?;
        // Grows with the first frames and is warm for all others.
        if self.frame.len() < room {
            self.frame.resize(room, 0);
        }
        let len = if half {
            self.rounded.resize(values.len(), f16::ZERO);
            self.rounded.convert_from_f32_slice(values);
            self.encoder.encode(&self.rounded, rows, width, &mut self.frame)?
        } else {
            self.encoder.encode(values, rows, width, &mut self.frame)?
        };
        Ok(&self.frame[..len])
    }
}

/// What a frame decodes to, found beforehand and on one thread, and its length.
struct Expected {
    values: Vec<f32>,
    bytes: usize,
}

/// One direction of a scheme: its coding, and all that is known before anything is sent.
pub(crate) struct Direction {
    coding: Coding,
    expected: Vec<Expected>,
    /// Bytes of all frames.
    pub(crate) bytes: usize,
    /// Values in all of them.
    pub(crate) elements: usize,
    /// What comes through.
    pub(crate) quality: Quality,
    /// Finite values that become infinite.
    pub(crate) overflows: u64,
    /// Values that are not zero and become zero, counted for f16 only, where it is a loss of range.
    pub(crate) underflows: u64,
}

impl Direction {
    fn new<'a>(coding: Coding, tensors: impl Iterator<Item = Tensor<'a>>) -> Result<Self, Failure> {
        let mut direction = Self {
            coding,
            expected: Vec::new(),
            bytes: 0,
            elements: 0,
            quality: Quality::default(),
            overflows: 0,
            underflows: 0,
        };
        let mut coder = Coder::new(coding)?;
        for tensor in tensors {
            let frame = coder.encode(tensor)?;
            let mut values = vec![f32::NAN; tensor.values.len()];
            Decoder::new().decode(frame, &mut values)?;
            for (x, y) in tensor.values.iter().zip(&values) {
                direction.overflows += u64::from(x.is_finite() && y.is_infinite());
                direction.underflows += u64::from(coding == Coding::F16 && *x != 0.0 && *y == 0.0);
            }
            direction
                .quality
                .add(tensor.values, &values, tensor.width as usize);
            direction.bytes += frame.len();
            direction.elements += values.len();
            let bytes = frame.len();
            direction.expected.push(Expected { values, bytes });
        }
        Ok(direction)
    }

    /// Bits an element, all metadata counted.
    pub(crate) fn bits(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.elements as f64
    }
}

/// A scheme made ready: what goes over the link and what must come out.
pub(crate) struct Scheme<'a> {
    batches: &'a [MicroBatch<'a>],
    pub(crate) forward: Direction,
    pub(crate) backward: Direction,
}

/// What a run of a scheme took.
#[derive(Default)]
pub(crate) struct Timing {
    /// Seconds of each step.
    pub(crate) steps: Vec<f64>,
    /// Source bytes a second of each frame's encoding.
    pub(crate) encode: Vec<f64>,
    /// Source bytes a second of each frame's decoding.
    pub(crate) decode: Vec<f64>,
}

/// Conditions of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    /// Rate of the link, each way.
    pub(crate) mbit: f64,
    pub(crate) steps: usize,
    /// What a forward or a backward pass of a stage takes.
    pub(crate) pass: Duration,
}

impl Conditions {
    /// A pass, slept.
    fn compute(&self) {
        if !self.pass.is_zero() {
            thread::sleep(self.pass);
        }
    }
}

impl<'a> Scheme<'a> {
    /// Encodes and decodes everything once, which finds the sizes and the quality and what the receivers
    /// must get.
    pub(crate) fn new(
        batches: &'a [MicroBatch<'a>],
        activations: Coding,
        gradients: Coding,
    ) -> Result<Self, Failure> {
        Ok(Self {
            batches,
            forward: Direction::new(activations, batches.iter().map(|batch| batch.activations))?,
            backward: Direction::new(gradients, batches.iter().map(|batch| batch.gradients))?,
        })
    }

    /// Bytes of a step, both ways.
    pub(crate) const fn bytes(&self) -> usize {
        self.forward.bytes + self.backward.bytes
    }

    /// Bits an element of all traffic.
    pub(crate) fn bits(&self) -> f64 {
        self.bytes() as f64 * 8.0 / (self.forward.elements + self.backward.elements) as f64
    }

    /// Sends all micro-batches forward, then all gradients back, step by step.
    pub(crate) fn run(&self, conditions: Conditions, progress: &Progress) -> Result<Timing, Failure> {
        let sockets = link::connect()?;
        let alarm = Alarm::new(&sockets);
        let [near, far] = &sockets;
        let stages = thread::scope(|scope| {
            let stages = [
                scope.spawn(|| alarm.watch(|| self.first_stage(near, conditions, progress))),
                scope.spawn(|| alarm.watch(|| self.last_stage(far, conditions))),
            ];
            stages.map(|stage| stage.join().ok().flatten())
        });
        alarm.first_failure()?;
        let [Some(mut timing), Some(last)] = stages else {
            return Err(Failure::new("a stage of the pipeline stopped"));
        };
        timing.encode.extend(last.encode);
        timing.decode.extend(last.decode);
        Ok(timing)
    }

    /// Sends activations and receives gradients; times the steps.
    fn first_stage(
        &self,
        socket: &TcpStream,
        conditions: Conditions,
        progress: &Progress,
    ) -> Result<Timing, Failure> {
        let mut timing = Timing::default();
        let mut sender = Sender::new(&self.forward, socket, conditions.mbit)?;
        let mut receiver = Receiver::new(&self.backward, socket);
        for _ in 0..conditions.steps {
            let start = Instant::now();
            for batch in self.batches {
                conditions.compute();
                let bytes = sender.send(batch.activations, &mut timing.encode)?;
                progress.add(bytes as u64);
            }
            for (index, batch) in self.batches.iter().enumerate() {
                let bytes = receiver.receive(batch.gradients, index, &mut timing.decode)?;
                progress.add(bytes as u64);
                conditions.compute();
            }
            timing.steps.push(start.elapsed().as_secs_f64());
        }
        Ok(timing)
    }

    /// Receives activations and sends gradients.
    fn last_stage(&self, socket: &TcpStream, conditions: Conditions) -> Result<Timing, Failure> {
        let mut timing = Timing::default();
        let mut receiver = Receiver::new(&self.forward, socket);
        let mut sender = Sender::new(&self.backward, socket, conditions.mbit)?;
        for _ in 0..conditions.steps {
            for (index, batch) in self.batches.iter().enumerate() {
                receiver.receive(batch.activations, index, &mut timing.decode)?;
                conditions.compute();
            }
            for batch in self.batches {
                conditions.compute();
                sender.send(batch.gradients, &mut timing.encode)?;
            }
        }
        Ok(timing)
    }
}

/// Runs `work` on `tensor` and notes the source bytes a second.
fn timed<T>(rates: &mut Vec<f64>, tensor: Tensor<'_>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f64().max(1e-9);
    rates.push(size_of_val(tensor.values) as f64 / seconds);
    result
}

/// The sending end of a direction.
struct Sender<'a> {
    coder: Coder,
    link: Paced<&'a TcpStream>,
}

impl<'a> Sender<'a> {
    fn new(direction: &Direction, socket: &'a TcpStream, mbit: f64) -> Result<Self, Failure> {
        Ok(Self {
            coder: Coder::new(direction.coding)?,
            link: Paced::new(socket, mbit),
        })
    }

    /// Encodes and sends; returns the frame's length.
    fn send(&mut self, tensor: Tensor<'_>, rates: &mut Vec<f64>) -> Result<usize, Failure> {
        let frame = timed(rates, tensor, || self.coder.encode(tensor))?;
        self.link.send(frame)?;
        Ok(frame.len())
    }
}

/// The receiving end of a direction.
struct Receiver<'a> {
    direction: &'a Direction,
    socket: &'a TcpStream,
    frame: Vec<u8>,
    values: Vec<f32>,
}

impl<'a> Receiver<'a> {
    fn new(direction: &'a Direction, socket: &'a TcpStream) -> Self {
        let expected = || direction.expected.iter();
        let longest = expected().map(|expected| expected.bytes).max();
        let largest = expected().map(|expected| expected.values.len()).max();
        Self {
            direction,
            socket,
            frame: vec![0; longest.unwrap_or(0)],
            values: vec![f32::NAN; largest.unwrap_or(0)],
        }
    }

    /// Receives and decodes micro-batch `index`, every bit of which must be as expected; returns the
    /// frame's length.
    fn receive(&mut self, tensor: Tensor<'_>, index: usize, rates: &mut Vec<f64>) -> Result<usize, Failure> {
        let expected = &self.direction.expected[index];
        let len = link::receive(&mut self.socket, &mut self.frame)?;
        let frame = &self.frame[..len];
        let values = &mut self.values[..tensor.values.len()];
        let header = timed(rates, tensor, || Decoder::new().decode(frame, values))?;
        let same = |(x, y): (&f32, &f32)| x.to_bits() == y.to_bits();
        if (header.rows, header.width) != (tensor.rows, tensor.width)
            || len != expected.bytes
            || !values.iter().zip(&expected.values).all(same)
        {
            return Err(Failure::new(format_args!(
                "micro-batch {index} is not what was sent"
            )));
        }
        Ok(len)
    }
}

/// Ends a run as one: the first thread to fail is remembered and closes the link, which wakes all others.
struct Alarm<'a> {
    sockets: &'a [TcpStream; 2],
    first: Mutex<Option<Failure>>,
}

impl<'a> Alarm<'a> {
    const fn new(sockets: &'a [TcpStream; 2]) -> Self {
        let first = Mutex::new(None);
        Self { sockets, first }
    }

    fn watch<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Option<T> {
        // Dropped by a panic as well.
        let mut closer = Closer {
            sockets: self.sockets,
            armed: true,
        };
        match work() {
            Ok(value) => {
                closer.armed = false;
                Some(value)
            }
            Err(failure) => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(failure);
                None
            }
        }
    }

    fn first_failure(self) -> Result<(), Failure> {
        match self.first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

struct Closer<'a> {
    sockets: &'a [TcpStream; 2],
    armed: bool,
}

impl Drop for Closer<'_> {
    fn drop(&mut self) {
        if self.armed {
            for socket in self.sockets {
                // One that is closed already is what we want.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme<'a>(batches: &'a [MicroBatch<'a>]) -> Scheme<'a> {
        let coding = Coding::Codec(Config::INT4);
        Scheme::new(batches, coding, coding).unwrap()
    }

    /// Runs a scheme that has been tampered with. That this returns at all is half of the test.
    fn failure(change: impl FnOnce(&mut Scheme<'_>)) -> String {
        let values: Vec<f32> = (0..64 * 128).map(|i| (i as f32 * 0.7).sin()).collect();
        let tensor = Tensor {
            values: &values,
            rows: 64,
            width: 128,
        };
        let batch = MicroBatch {
            activations: tensor,
            gradients: tensor,
        };
        let batches = [batch; 3];
        let mut scheme = scheme(&batches);
        change(&mut scheme);
        let conditions = Conditions {
            mbit: 1e5,
            steps: 2,
            pass: Duration::ZERO,
        };
        match scheme.run(conditions, &Progress::bytes(1)) {
            Ok(_) => "none".to_owned(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn a_stage_that_fails_ends_the_run() {
        assert_eq!(failure(|_| {}), "none");
        // Either stage gets something else than it should.
        let forward = failure(|scheme| scheme.forward.expected[1].values[5] += 1.0);
        assert_eq!(forward, "micro-batch 1 is not what was sent");
        let backward = failure(|scheme| scheme.backward.expected[2].values[5] += 1.0);
        assert_eq!(backward, "micro-batch 2 is not what was sent");
        // Either stage cannot send.
        let bad = Coding::Codec(Config {
            hi: 9,
            ..Config::INT4
        });
        assert!(failure(|scheme| scheme.forward.coding = bad).contains("hi 9"));
        assert!(failure(|scheme| scheme.backward.coding = bad).contains("hi 9"));
        // Frames are longer than there is room for.
        let long = failure(|scheme| scheme.forward.coding = Coding::F32);
        assert!(long.contains("a frame of more than"), "{long}");
    }
}
