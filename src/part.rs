//! Parts of slices whose bounds hold by construction, where the compiler cannot know it: an index out of bounds would be
//! a fault of this crate, which debug builds report. Without a panic to reach, `tests/no-panic` proves that there is
//! none.

use core::ops::Range;

/// `slice[range]`.
#[inline(always)]
pub(crate) fn part<T>(slice: &[T], range: Range<usize>) -> &[T] {
    let part = slice.get(range);
    debug_assert!(part.is_some(), "a part out of bounds");
    part.unwrap_or(&[])
}

/// `&mut slice[range]`.
#[inline(always)]
pub(crate) fn part_mut<T>(slice: &mut [T], range: Range<usize>) -> &mut [T] {
    let part = slice.get_mut(range);
    debug_assert!(part.is_some(), "a part out of bounds");
    part.unwrap_or(&mut [])
}

/// `slice[start..]`.
#[inline(always)]
pub(crate) fn from<T>(slice: &[T], start: usize) -> &[T] {
    let rest = slice.get(start..);
    debug_assert!(rest.is_some(), "a start out of bounds");
    rest.unwrap_or(&[])
}

/// `slice.split_at(at)`.
#[inline(always)]
pub(crate) fn split<T>(slice: &[T], at: usize) -> (&[T], &[T]) {
    debug_assert!(at <= slice.len(), "a split out of bounds");
    slice.split_at_checked(at).unwrap_or((slice, &[]))
}

/// `slice.split_at_mut(at)`.
#[inline(always)]
pub(crate) fn split_mut<T>(slice: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    debug_assert!(at <= slice.len(), "a split out of bounds");
    let at = at.min(slice.len());
    slice.split_at_mut(at)
}

/// `to.copy_from_slice(from)`.
#[inline(always)]
pub(crate) fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    debug_assert_eq!(to.len(), from.len(), "a copy between two lengths");
    if to.len() == from.len() {
        to.copy_from_slice(from);
    }
}

/// `to.copy_from_slice(&from[..to.len()])`. Copying less than all is a function of its own, so that all of it is made at once, and
/// where it goes to.
#[inline(always)]
pub(crate) fn copy_first<T: Copy, const N: usize>(to: &mut [T], from: &[T; N]) {
    debug_assert!(to.len() <= N, "more copied than there is");
    match to.first_chunk_mut() {
        Some(to) => *to = *from,
        None => copy_some(to, from),
    }
}

#[inline(never)]
fn copy_some<T: Copy>(to: &mut [T], from: &[T]) {
    copy(to, part(from, 0..to.len()));
}

/// `slice.copy_within(start..end, to)`, towards the front.
#[inline(always)]
pub(crate) fn move_within<T: Copy>(slice: &mut [T], start: usize, end: usize, to: usize) {
    debug_assert!(
        to <= start && start <= end && end <= slice.len(),
        "a move out of bounds"
    );
    if to <= start && start <= end && end <= slice.len() {
        slice.copy_within(start..end, to);
    }
}
