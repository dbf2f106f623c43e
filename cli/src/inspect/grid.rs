//! The tiles of a frame as a grid of cells, thinned out to a bounded size.

/// The most rows and the most columns that are kept.
const MOST: u32 = 2048;

/// What is known of a tile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Cell {
    /// The file ends before it.
    #[default]
    Missing,
    /// Its row takes no bytes.
    Pruned,
    /// It cannot be decoded.
    Broken,
    Tile {
        /// log2 of the typical error of an element.
        error: f32,
        width: u8,
        rotated: bool,
    },
}

/// Rows down, tiles across.
#[derive(Debug, Default)]
pub(super) struct Grid {
    /// Rows and tiles of the frame.
    pub(super) rows: u32,
    pub(super) tiles: u32,
    /// Rows and columns of the grid.
    height: u32,
    width: u32,
    cells: Vec<Cell>,
    /// The row of the grid that was filled last, and with what: millions of pruned rows share a few.
    filled: Option<(u64, Cell)>,
}

impl Grid {
    /// A grid for a frame of these sizes; memory is taken with the first cell.
    pub(super) fn new(rows: u32, tiles: u32) -> Self {
        Self {
            rows,
            tiles,
            height: rows.min(MOST),
            width: tiles.min(MOST),
            cells: Vec::new(),
            filled: None,
        }
    }

    /// Whether nothing is known of any tile.
    pub(super) const fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Rows of the grid.
    pub(super) const fn height(&self) -> u32 {
        self.height
    }

    /// Columns of the grid.
    pub(super) const fn width(&self) -> u32 {
        self.width
    }

    /// The cell at a row and column of the grid.
    pub(super) fn at(&self, row: u32, column: u32) -> Cell {
        let index = row as usize * self.width as usize + column as usize;
        self.cells.get(index).copied().unwrap_or_default()
    }

    /// Notes what is known of a tile. Where several share a cell the first stays, unless another is broken.
    pub(super) fn set(&mut self, row: u32, tile: u32, cell: Cell) {
        if self.rows == 0 || self.tiles == 0 {
            return;
        }
        if self.cells.is_empty() {
            self.cells = vec![Cell::Missing; self.height as usize * self.width as usize];
        }
        let thin = |n: u32, of: u32, to: u32| (u64::from(n) * u64::from(to) / u64::from(of)) as usize;
        let index =
            thin(row, self.rows, self.height) * self.width as usize + thin(tile, self.tiles, self.width);
        if let Some(slot) = self.cells.get_mut(index)
            && (*slot == Cell::Missing || cell == Cell::Broken)
        {
            *slot = cell;
        }
    }

    /// Notes the same for all of a row.
    pub(super) fn fill_row(&mut self, row: u32, cell: Cell) {
        let line = u64::from(row) * u64::from(self.height) / u64::from(self.rows.max(1));
        if self.filled == Some((line, cell)) {
            return;
        }
        self.filled = Some((line, cell));
        // One tile of each column of the grid.
        for column in 0..self.width {
            let tile = (u64::from(column) * u64::from(self.tiles)).div_ceil(u64::from(self.width)) as u32;
            self.set(row, tile, cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_grids_are_thinned_and_keep_faults() {
        let mut grid = Grid::new(1 << 20, 1);
        grid.fill_row(0, Cell::Pruned);
        grid.fill_row(1, Cell::Broken);
        grid.fill_row((1 << 20) - 1, Cell::Pruned);
        assert_eq!((grid.height(), grid.width()), (MOST, 1));
        assert_eq!(grid.at(0, 0), Cell::Broken);
        assert_eq!(grid.at(1, 0), Cell::Missing);
        assert_eq!(grid.at(MOST - 1, 0), Cell::Pruned);
    }

    #[test]
    fn every_column_is_filled() {
        let mut grid = Grid::new(1, 5000);
        grid.fill_row(0, Cell::Pruned);
        assert!((0..grid.width()).all(|column| grid.at(0, column) == Cell::Pruned));
    }
}
