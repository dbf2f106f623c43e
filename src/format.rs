//! `defmt::Format` of the types that borrow or keep more than a log should hold, or whose fields are no affair of a
//! log. All others derive it.

use defmt::{Format, Formatter, write};

use crate::arch::Level;
use crate::decode::Decoder;
use crate::encode::{Encoder, Plan};
use crate::frame::{Frame, Row};
use crate::stream::{StreamDecoder, StreamEncoder};

impl Format for Level {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Level({=str})", self.name());
    }
}

impl Format for Decoder<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Decoder {{ table: {=bool} }}", self.exponents().is_some());
    }
}

impl Format for Encoder<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Encoder {{ config: {}, table: {=bool}, mask: {=bool} }}",
            self.config(),
            self.has_table(),
            self.mask().is_some()
        );
    }
}

impl Format for Plan<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Plan {{ header: {} }}", self.header());
    }
}

impl Format for Frame<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Frame {{ header: {} }}", self.header());
    }
}

impl Format for Row<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Row {{ base: {=u8}, tiles: {=usize} }}",
            self.base(),
            self.tiles()
        );
    }
}

impl<const N: usize> Format for StreamDecoder<'_, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "StreamDecoder<{=usize}> {{ position: {=u64} }}",
            N,
            self.position()
        );
    }
}

impl<E> Format for StreamEncoder<'_, E> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "StreamEncoder {{ header: {}, next_row: {=u32} }}",
            self.header(),
            self.next_row()
        );
    }
}
