//! What a terminal shows of a file.

use std::io::Write;

use tahq::{Encoding, ExponentMode, Header};

use super::grid::{Cell, Grid};
use super::survey::Survey;
use crate::failure::Failure;
use crate::tensor::FloatType;

/// The most lines and columns of a rotation map.
const LINES: u32 = 32;
const COLUMNS: u32 = 96;

/// The encoding's name.
pub(super) const fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "raw",
        Encoding::Uniform => "uniform",
        Encoding::TileMixed => "tile-mixed",
        Encoding::RowMixed => "row-mixed",
    }
}

/// Where the channel exponents are.
pub(super) const fn exponents(mode: ExponentMode) -> &'static str {
    match mode {
        ExponentMode::None => "none",
        ExponentMode::InFrame => "in-frame",
        ExponentMode::Agreed => "agreed",
    }
}

fn widths(header: &Header) -> String {
    match header.encoding {
        Encoding::Raw => FloatType::of(header.source).name().to_owned(),
        Encoding::Uniform => format!("{} bits", header.hi),
        Encoding::TileMixed => format!(
            "{} bits in {} of {} tiles, {} in the others",
            header.hi,
            header.quota,
            header.tiles(),
            header.lo
        ),
        Encoding::RowMixed if header.lo == 0 => {
            format!(
                "{} bits in {} of {} rows, none in the others",
                header.hi, header.quota, header.rows
            )
        }
        Encoding::RowMixed => format!(
            "{} bits in {} of {} rows, {} in the others",
            header.hi, header.quota, header.rows, header.lo
        ),
    }
}

fn share(part: u64, all: u64) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", part as f64 * 100.0 / all as f64)
}

/// One line about a frame.
pub(super) fn frame_line(out: &mut impl Write, survey: &Survey) -> Result<(), Failure> {
    write!(
        out,
        "  frame {} at byte {}, {} bytes",
        survey.number, survey.offset, survey.bytes
    )?;
    if let Some(header) = &survey.header {
        write!(
            out,
            ": {} x {} {}, {}, {}",
            header.rows,
            header.width,
            FloatType::of(header.source).name(),
            encoding(header.encoding),
            widths(header)
        )?;
        if header.encoding != Encoding::Raw {
            write!(
                out,
                ", G {}, exponents {}",
                header.tile_len(),
                exponents(header.exponents)
            )?;
        }
        if let (Ok(len), true) = (header.frame_len(), header.elements() > 0) {
            write!(
                out,
                ", {:.4} bits/elem",
                len as f64 * 8.0 / header.elements() as f64
            )?;
        }
        if survey.tiles() > 0 {
            write!(out, ", rotated {}", share(survey.rotated, survey.tiles()))?;
        }
    }
    writeln!(out, "{}", if survey.faults.is_empty() { "" } else { "  BROKEN" })?;
    for fault in &survey.faults {
        writeln!(out, "    {}", fault.show())?;
    }
    if survey.more_faults > 0 {
        writeln!(out, "    and {} more faults", survey.more_faults)?;
    }
    Ok(())
}

/// All about one frame: widths, scales, rotation map.
pub(super) fn details(out: &mut impl Write, survey: &Survey) -> Result<(), Failure> {
    let Some(header) = &survey.header else {
        return Ok(());
    };
    writeln!(out, "\nframe {} in detail", survey.number)?;
    if survey.rows_present < header.rows {
        writeln!(
            out,
            "  rows there      {} of {}",
            survey.rows_present, header.rows
        )?;
    }
    if header.encoding == Encoding::Raw {
        writeln!(out, "  raw elements, no tiles")?;
        return Ok(());
    }
    let used: Vec<_> = (0..9)
        .filter(|&width| survey.widths[width] > 0)
        .map(|width| format!("{width} bits {}", share(survey.widths[width], survey.tiles())))
        .collect();
    writeln!(
        out,
        "  code widths     {}",
        if used.is_empty() {
            "-".to_owned()
        } else {
            used.join(", ")
        }
    )?;
    writeln!(out, "  rotated tiles   {}", share(survey.rotated, survey.tiles()))?;
    if header.encoding == Encoding::RowMixed && header.lo == 0 {
        writeln!(out, "  pruned rows     {} of {}", survey.rows_pruned, header.rows)?;
    }
    if let Some((least, most)) = survey.bases {
        writeln!(out, "  row bases       {least}..{most}")?;
    }
    if let Some((least, most)) = survey.exponents {
        writeln!(out, "  exponents       {least}..{most}")?;
    }
    if !survey.grid.is_empty() {
        rotation_map(out, &survey.grid)?;
    }
    Ok(())
}

/// The cells of a grid that fall on one character.
fn symbol(cells: impl Iterator<Item = Cell>) -> char {
    let (mut plain, mut rotated, mut pruned) = (0u32, 0u32, 0u32);
    for cell in cells {
        match cell {
            Cell::Broken => return '!',
            Cell::Missing => {}
            Cell::Pruned => pruned += 1,
            Cell::Tile { rotated: true, .. } => rotated += 1,
            Cell::Tile { .. } => plain += 1,
        }
    }
    match (plain, rotated, pruned) {
        (0, 0, 0) => '?',
        (0, 0, _) => ' ',
        (_, 0, _) => '.',
        (0, _, _) => '#',
        (plain, rotated, _) if rotated < plain => '-',
        _ => '+',
    }
}

fn rotation_map(out: &mut impl Write, grid: &Grid) -> Result<(), Failure> {
    let (lines, columns) = (grid.height().min(LINES), grid.width().min(COLUMNS));
    let span = |i: u32, of: u32, cells: u32| {
        let edge = |i: u32| (u64::from(i) * u64::from(cells) / u64::from(of)) as u32;
        edge(i)..edge(i + 1)
    };
    writeln!(
        out,
        "  rotation map: {} rows down, {} tiles across; # rotated, . plain, + and - both, blank pruned, \
         ! broken, ? missing",
        grid.rows, grid.tiles
    )?;
    for line in 0..lines {
        let rows = span(line, lines, grid.height());
        let text: String = (0..columns)
            .map(|column| {
                let tiles = span(column, columns, grid.width());
                symbol(
                    rows.clone()
                        .flat_map(|row| tiles.clone().map(move |tile| grid.at(row, tile))),
                )
            })
            .collect();
        let first = u64::from(rows.start) * u64::from(grid.rows) / u64::from(grid.height());
        writeln!(out, "  {first:>8} |{text}|")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols() {
        let tile = |rotated| Cell::Tile {
            error: 0.0,
            width: 4,
            rotated,
        };
        let of = |cells: &[Cell]| symbol(cells.iter().copied());
        assert_eq!(of(&[tile(true), Cell::Pruned]), '#');
        assert_eq!(of(&[tile(false)]), '.');
        assert_eq!(of(&[tile(false), tile(true)]), '+');
        assert_eq!(of(&[tile(false), tile(true), tile(false)]), '-');
        assert_eq!(of(&[Cell::Pruned, Cell::Missing]), ' ');
        assert_eq!(of(&[Cell::Missing]), '?');
        assert_eq!(of(&[tile(true), Cell::Broken]), '!');
    }
}
