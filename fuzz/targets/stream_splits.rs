//! A stream of whole and broken frames in arbitrary pieces: however it is cut, the stream decoder tells the same, and
//! of a frame that the whole decoder accepts it gives the same values.

use half::{bf16, f16};
use tahq::{Event, Header, Level, StreamDecoder, StreamError};

use super::case::{Case, Output, assert_zeros, bytes, filled};
use super::reference::Rng;

/// Elements of the row buffer.
const ROW: usize = 450;

pub(crate) fn run(data: &[u8]) {
    let Some(case) = Case::of(data, 0) else {
        return;
    };
    // One frame; two; one after noise; one after the start of another.
    let noise = case.table.as_deref().map_or(&[][..], bytemuck::cast_slice);
    let part = &case.frame[..case.frame.len() / 2];
    let before = [&[], &case.frame[..], noise, part][usize::from(case.choice & 3)];
    let stream = [before, &case.frame].concat();
    match case.choice >> 2 & 7 {
        0 => stories::<f16, 700>(&case, &stream),
        1 => stories::<bf16, 700>(&case, &stream),
        2 => stories::<f32, 64>(&case, &stream),
        3..=5 => stories::<f32, 700>(&case, &stream),
        _ => stories::<f32, 4096>(&case, &stream),
    }
    if before.is_empty() {
        alone(&case);
    }
}

/// What a decoder tells.
#[derive(Debug, PartialEq)]
enum Told {
    Header(Header),
    Row(u32, Vec<u8>),
    End(Header),
    Error(StreamError),
}

/// What it tells of a stream, and its position then.
fn story<'p, E: Output, const N: usize>(
    case: &Case,
    level: Level,
    pieces: impl Iterator<Item = &'p [u8]>,
) -> Vec<(u64, Told)> {
    let mut decoder = StreamDecoder::<N>::new().with_level(level);
    if let Some(table) = &case.table {
        decoder = decoder.with_exponents(table);
    }
    let mut story = Vec::new();
    let mut width = 0;
    let mut push = |decoder: &mut StreamDecoder<'_, N>, mut piece: &[u8], story: &mut Vec<_>| {
        loop {
            let mut row = filled::<E>(ROW, 0xa5);
            let result = decoder.push(&mut piece, &mut row);
            let written = match result {
                Ok(Some(Event::Row { .. })) => width,
                Err(_) => ROW,
                _ => 0,
            };
            let (values, rest) = bytes(&row).split_at(written * size_of::<E>());
            assert!(
                rest.iter().all(|&byte| byte == 0xa5),
                "more than a row was written"
            );
            let told = match result {
                Ok(None) => {
                    assert!(piece.is_empty());
                    return;
                }
                Ok(Some(Event::Header(header))) => {
                    width = header.width as usize;
                    Told::Header(header)
                }
                Ok(Some(Event::Row { index })) => Told::Row(index, values.to_vec()),
                Ok(Some(Event::End(header))) => Told::End(header),
                Err(error) => {
                    assert_zeros(&row);
                    Told::Error(error)
                }
            };
            story.push((decoder.position(), told));
        }
    };
    for piece in pieces {
        push(&mut decoder, piece, &mut story);
    }
    while let Err(error) = decoder.finish() {
        story.push((decoder.position(), Told::Error(error)));
        push(&mut decoder, &[], &mut story);
    }
    push(&mut decoder, &[], &mut story);
    story
}

fn stories<E: Output, const N: usize>(case: &Case, stream: &[u8]) {
    let whole = story::<E, N>(case, Level::SCALAR, [stream].into_iter());
    // Bytes one by one, pieces of one length, and of any.
    let bytewise = story::<E, N>(case, Level::detect(), stream.chunks(1));
    assert_eq!(whole, bytewise, "byte by byte");
    let len = usize::from(case.choice).max(2);
    assert_eq!(
        whole,
        story::<E, N>(case, Level::detect(), stream.chunks(len)),
        "pieces of {len}"
    );
    let mut rng = Rng(stream.len() as u64 ^ u64::from(case.choice) << 32);
    let mut rest = stream;
    let pieces = std::iter::from_fn(|| {
        let len = rng.below(90).min(rest.len() as u64) as usize;
        let (piece, after) = rest.split_at(len);
        let more = !rest.is_empty();
        rest = after;
        more.then_some(piece)
    });
    assert_eq!(
        whole,
        story::<E, N>(case, Level::detect(), pieces),
        "random pieces"
    );
}

/// One frame alone, against the whole decoder.
fn alone(case: &Case) {
    const N: usize = 4096;
    let Ok((header, _)) = Header::parse(&case.frame) else {
        return;
    };
    let fits = header.stream_capacity().is_ok_and(|needed| needed <= N) && header.width as usize <= ROW;
    if !fits || header.elements() > super::case::MOST {
        return;
    }
    let mut values = filled::<f32>(case.elements(), 0x5a);
    let decoded = case.decoder(Level::detect()).decode(&case.frame, &mut values);
    let story = story::<f32, N>(case, Level::detect(), [&case.frame[..]].into_iter());
    let expected = |told: &[(u64, Told)]| {
        let rows = if header.is_empty() { 0 } else { header.rows };
        let mut told = told.iter().map(|(_, told)| told);
        told.next() == Some(&Told::Header(header)) && (0..rows).all(|row| {
            let at = row as usize * header.width as usize;
            let values = bytes(&values[at..at + header.width as usize]);
            matches!(told.next(), Some(Told::Row(index, row_values)) if *index == row && row_values == values)
        }) && told.next() == Some(&Told::End(header)) && told.next().is_none()
    };
    match decoded {
        Ok(_) => assert!(expected(&story), "{header:?}: {story:?}"),
        // Frames within it may be whole, but something is refused.
        Err(error) => assert!(
            story.iter().any(|(_, told)| matches!(told, Told::Error(_))),
            "{header:?}: {error:?}, and a stream accepts it"
        ),
    }
}
