//! A small picture: rectangles, text, PNG.

use std::io::Write;

use font8x8::legacy::BASIC_LEGACY;

use crate::failure::Failure;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Pixels of a character, both ways.
pub(super) const GLYPH: u32 = 8;

/// Pixels in rows.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<Colour>,
}

impl Canvas {
    /// A picture of one colour.
    pub(super) fn new(width: u32, height: u32, colour: Colour) -> Self {
        Self {
            width,
            height,
            pixels: vec![colour; width as usize * height as usize],
        }
    }

    /// Sets one pixel; outside there is none.
    pub(super) fn set(&mut self, x: u32, y: u32, colour: Colour) {
        if x < self.width && y < self.height {
            let index = y as usize * self.width as usize + x as usize;
            if let Some(pixel) = self.pixels.get_mut(index) {
                *pixel = colour;
            }
        }
    }

    /// Fills a rectangle.
    pub(super) fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, colour: Colour) {
        for y in y..y + height {
            for x in x..x + width {
                self.set(x, y, colour);
            }
        }
    }

    /// Writes a line of text, its top left corner at `(x, y)`.
    pub(super) fn text(&mut self, x: u32, y: u32, text: &str, colour: Colour) {
        for (i, c) in (0..).zip(text.chars()) {
            let glyph = BASIC_LEGACY
                .get(c as usize)
                .unwrap_or(&BASIC_LEGACY[usize::from(b'?')]);
            for (dy, line) in (0..).zip(glyph) {
                for dx in 0..GLYPH {
                    if line >> dx & 1 == 1 {
                        self.set(x + i * GLYPH + dx, y + dy, colour);
                    }
                }
            }
        }
    }

    /// Writes a line of text that ends before `x`.
    pub(super) fn text_before(&mut self, x: u32, y: u32, text: &str, colour: Colour) {
        let width = text.chars().count() as u32 * GLYPH;
        self.text(x.saturating_sub(width), y, text, colour);
    }

    /// Writes the picture.
    pub(super) fn write_png(&self, out: &mut impl Write) -> Result<(), Failure> {
        let mut encoder = png::Encoder::new(out, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let fail = |error: png::EncodingError| match error {
            png::EncodingError::IoError(error) => Failure::from(error),
            error => Failure::new(error),
        };
        let mut writer = encoder.write_header().map_err(fail)?;
        writer
            .write_image_data(bytemuck::cast_slice(&self.pixels))
            .map_err(fail)?;
        writer.finish().map_err(fail)
    }
}
