//! The picture of a frame: where the error goes, and which tiles are rotated.

use tahq::Header;

use super::canvas::{Canvas, Colour, GLYPH};
use super::grid::Cell;
use super::survey::Survey;

const BACKGROUND: Colour = [255, 255, 255];
const INK: Colour = [40, 40, 40];
const FAINT: Colour = [120, 120, 120];
const MISSING: Colour = [225, 225, 225];
const PRUNED: Colour = [190, 200, 210];
const BROKEN: Colour = [230, 0, 120];
const PLAIN: Colour = [54, 75, 102];
const ROTATED: Colour = [242, 142, 43];

/// From little error to much: dark violet to yellow, even in lightness, readable in grey.
const SCALE: [Colour; 5] = [
    [68, 1, 84],
    [59, 82, 139],
    [33, 145, 140],
    [94, 201, 98],
    [253, 231, 37],
];

/// Pixels of a panel, at most.
const PANEL_WIDTH: u32 = 512;
const PANEL_HEIGHT: u32 = 640;
/// Pixels of a cell, at most.
const CELL_WIDTH: u32 = 24;
const CELL_HEIGHT: u32 = 16;

const LEFT: u32 = 64;
const TOP: u32 = 56;
const GAP: u32 = 32;
const BOTTOM: u32 = 104;
/// Room for the words above a panel.
const LEAST_WIDTH: u32 = 26 * GLYPH;

fn scale(position: f32) -> Colour {
    let position = position.clamp(0.0, 1.0) * (SCALE.len() - 1) as f32;
    let low = (position as usize).min(SCALE.len() - 2);
    let part = position - low as f32;
    let mix = |c: usize| {
        let (a, b) = (f32::from(SCALE[low][c]), f32::from(SCALE[low + 1][c]));
        (a + (b - a) * part).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}

/// Halfway to white: the narrow code width.
fn pale(colour: Colour) -> Colour {
    colour.map(|c| 255 - (255 - c) / 2)
}

/// Pixels for so many cells: whole cells where they fit.
fn extent(cells: u32, most: u32, cell: u32) -> u32 {
    match most / cells.max(1) {
        0 => most,
        fit => cells.max(1) * fit.min(cell),
    }
}

/// Draws the picture of a frame with tiles.
pub(super) fn draw(survey: &Survey, header: &Header, name: &str) -> Canvas {
    let grid = &survey.grid;
    let (width, height) = (
        extent(grid.width(), PANEL_WIDTH, CELL_WIDTH),
        extent(grid.height(), PANEL_HEIGHT, CELL_HEIGHT),
    );
    let slot = width.max(LEAST_WIDTH);
    let panels = [LEFT, LEFT + slot + GAP];
    let total_width = panels[1] + slot + GAP;
    let mut canvas = Canvas::new(total_width, TOP + height + BOTTOM, BACKGROUND);

    let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
    let cells = (0..grid.height()).flat_map(|row| (0..grid.width()).map(move |column| (row, column)));
    for (row, column) in cells {
        if let Cell::Tile { error, .. } = grid.at(row, column) {
            (least, most) = (least.min(error), most.max(error));
        }
    }
    let span = (most - least).max(1e-3);

    let letters = ((total_width - 16) / GLYPH) as usize;
    let title = format!(
        "{name} frame {}: {} x {}, G {}, {} bytes",
        survey.number,
        header.rows,
        header.width,
        header.tile_len(),
        survey.bytes
    );
    canvas.text(8, 8, &tail(&title, letters), INK);
    canvas.text(panels[0], TOP - 16, "expected error, log2", INK);
    canvas.text(panels[1], TOP - 16, "transform and code width", INK);
    canvas.text_before(LEFT - 8, TOP, "row 0", FAINT);
    canvas.text_before(
        LEFT - 8,
        TOP + height - GLYPH,
        &header.rows.saturating_sub(1).to_string(),
        FAINT,
    );

    for y in 0..height {
        let row = (u64::from(y) * u64::from(grid.height()) / u64::from(height)) as u32;
        for x in 0..width {
            let column = (u64::from(x) * u64::from(grid.width()) / u64::from(width)) as u32;
            let (error, kind) = match grid.at(row, column) {
                // Hatched, so that it is not taken for a value.
                Cell::Missing if (x + y) % 8 < 2 => (FAINT, FAINT),
                Cell::Missing => (MISSING, MISSING),
                Cell::Pruned => (PRUNED, PRUNED),
                Cell::Broken => (BROKEN, BROKEN),
                Cell::Tile {
                    error,
                    width,
                    rotated,
                } => {
                    let kind = if rotated { ROTATED } else { PLAIN };
                    let kind = if width < header.hi { pale(kind) } else { kind };
                    (scale((error - least) / span), kind)
                }
            };
            canvas.set(panels[0] + x, TOP + y, error);
            canvas.set(panels[1] + x, TOP + y, kind);
        }
    }

    let below = TOP + height + 6;
    let tiles = format!("tile 0..{}", header.tiles().saturating_sub(1));
    for panel in panels {
        canvas.text(panel, below, &tiles, FAINT);
    }
    let legend = below + 20;
    if least <= most {
        let bar = LEAST_WIDTH - 2 * GLYPH;
        for x in 0..bar {
            canvas.fill(panels[0] + x, legend, 1, 12, scale(x as f32 / bar as f32));
        }
        canvas.text(panels[0], legend + 18, &format!("2^{least:.1}"), INK);
        canvas.text_before(panels[0] + bar, legend + 18, &format!("2^{most:.1}"), INK);
    }
    let mut keys = vec![
        (PLAIN, format!("plain, {} bits", header.hi)),
        (ROTATED, format!("rotated, {} bits", header.hi)),
    ];
    if header.lo > 0 && header.lo < header.hi {
        keys.push((pale(PLAIN), format!("plain, {} bits", header.lo)));
        keys.push((pale(ROTATED), format!("rotated, {} bits", header.lo)));
    } else if survey.rows_pruned > 0 {
        keys.push((PRUNED, "pruned rows".to_owned()));
    }
    for (i, (colour, text)) in (0..).zip(&keys) {
        key(&mut canvas, panels[1], legend + i * 16, *colour, text);
    }
    if !survey.faults.is_empty() {
        key(&mut canvas, panels[0], legend + 32, BROKEN, "broken");
        key(
            &mut canvas,
            panels[0] + 12 * GLYPH,
            legend + 32,
            MISSING,
            "missing",
        );
    }
    canvas
}

fn key(canvas: &mut Canvas, x: u32, y: u32, colour: Colour, text: &str) {
    canvas.fill(x, y, 12, 12, colour);
    canvas.text(x + 18, y + 2, text, INK);
}

/// The last so many letters: of a path its end matters.
fn tail(text: &str, letters: usize) -> String {
    let count = text.chars().count();
    if count <= letters {
        return text.to_owned();
    }
    let skipped = text.chars().skip(count + 2 - letters.max(2));
    format!("..{}", skipped.collect::<String>())
}
