//! The link between two stages: TCP on loopback, slowed down to a rate by the sending side.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tahq::HEADER_LEN;

use crate::failure::Failure;

/// A sleeping thread wakes a little late: the last stretch of a wait is spent awake.
const AWAKE: Duration = Duration::from_micros(150);

/// The two ends of a connection through the loopback interface.
pub(crate) fn connect() -> Result<[TcpStream; 2], Failure> {
    connected().map_err(|error| broken(&error))
}

fn connected() -> io::Result<[TcpStream; 2]> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    loop {
        let (far, from) = listener.accept()?;
        // Another program may have found the port.
        if from == near.local_addr()? {
            near.set_nodelay(true)?;
            far.set_nodelay(true)?;
            return Ok([near, far]);
        }
    }
}

/// What went wrong with a socket. Not as for standard output: a closed link is news.
pub(crate) fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::new("link: closed within a frame"),
        _ => Failure::new(format_args!("link: {error}")),
    }
}

/// A sender that gives away bytes no faster than a link of its rate would deliver them. Time in which it has
/// nothing to send is lost, as it is on a wire.
#[derive(Debug)]
pub(crate) struct Paced<W> {
    to: W,
    bytes_per_second: f64,
    /// When the link has delivered everything sent so far.
    free: Instant,
}

impl<W: Write> Paced<W> {
    /// `mbit` counts the bytes given to [`Paced::send`], in millions of bits a second.
    pub(crate) fn new(to: W, mbit: f64) -> Self {
        Self {
            to,
            bytes_per_second: mbit * 1e6 / 8.0,
            free: Instant::now(),
        }
    }

    /// Sends all of `bytes`; returns when the link has delivered them.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // A millisecond's worth at once: the receiver sees a stream and not lumps.
        let piece = (self.bytes_per_second * 1e-3).clamp(1024.0, 262_144.0) as usize;
        self.free = self.free.max(Instant::now());
        for bytes in bytes.chunks(piece) {
            // Every byte of a piece is on its way for as long as the link takes to deliver it.
            self.free += Duration::from_secs_f64(bytes.len() as f64 / self.bytes_per_second);
            wait_until(self.free);
            self.to.write_all(bytes).map_err(|error| broken(&error))?;
        }
        self.to.flush().map_err(|error| broken(&error))
    }
}

fn wait_until(time: Instant) {
    loop {
        let left = time.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match left.checked_sub(AWAKE) {
            Some(asleep) if !asleep.is_zero() => thread::sleep(asleep),
            _ => thread::yield_now(),
        }
    }
}

/// Reads one frame into `buffer`, of which it may take all; returns its length.
pub(crate) fn receive(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Failure> {
    let (room, read) = (buffer.len(), |error: io::Error| broken(&error));
    let too_long = || Failure::new(format_args!("link: a frame of more than {room} bytes"));
    let (header, body) = buffer.split_at_mut_checked(HEADER_LEN).ok_or_else(too_long)?;
    from.read_exact(header).map_err(read)?;
    let len = tahq::frame_len(header)?;
    let body = body.get_mut(..len - HEADER_LEN).ok_or_else(too_long)?;
    from.read_exact(body).map_err(read)?;
    Ok(len)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::{Duration, Instant};

    use super::{Paced, connect, receive};

    #[test]
    fn a_link_is_as_slow_as_asked() {
        let start = Instant::now();
        let mut sent = Vec::new();
        // 8 Mbit/s: a megabyte a second.
        let mut link = Paced::new(&mut sent, 8.0);
        link.send(&[7; 30_000]).unwrap();
        link.send(&[8; 20_000]).unwrap();
        let time = start.elapsed();
        assert!(time >= Duration::from_millis(50), "{time:?}");
        assert_eq!(sent.len(), 50_000);
    }

    #[test]
    fn a_frame_cut_short_is_told() {
        let [mut near, mut far] = connect().unwrap();
        let mut frame = [0; 256];
        let encoder = tahq::Encoder::new(tahq::Config::INT4).unwrap();
        let len = encoder.encode(&[1.0f32; 64], 1, 64, &mut frame).unwrap();
        near.write_all(&frame[..len]).unwrap();
        near.write_all(&frame[..len - 1]).unwrap();
        drop(near);
        let mut buffer = [0; 256];
        assert_eq!(receive(&mut far, &mut buffer).unwrap(), len);
        let failure = receive(&mut far, &mut buffer).unwrap_err();
        assert_eq!(failure.to_string(), "link: closed within a frame");
    }

    #[test]
    fn a_frame_longer_than_the_buffer_is_told() {
        let mut frame = [0; 256];
        let encoder = tahq::Encoder::new(tahq::Config::INT4).unwrap();
        let len = encoder.encode(&[1.0f32; 64], 1, 64, &mut frame).unwrap();
        for room in [0, 27, 28, len - 1] {
            let failure = receive(&mut &frame[..len], &mut vec![0; room]).unwrap_err();
            assert_eq!(
                failure.to_string(),
                format!("link: a frame of more than {room} bytes")
            );
        }
    }
}
