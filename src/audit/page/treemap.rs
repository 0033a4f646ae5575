//! A treemap: areas in proportion to sizes, as near to squares as can be (Bruls, Huizing, van Wijk, "Squarified
//! Treemaps", 2000). Coordinates are whole numbers, so that no machine draws it otherwise.

/// A rectangle: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left.
    pub x: u64,
    /// Top.
    pub y: u64,
    /// Width.
    pub width: u64,
    /// Height.
    pub height: u64,
}

/// Lays `sizes`, the largest first, into `room`; a rectangle for each, of no area where a size is too small.
pub fn lay(sizes: &[u64], room: Rect) -> Vec<Rect> {
    let mut out = Vec::with_capacity(sizes.len());
    let mut room = room;
    let mut rest = sizes;
    while !rest.is_empty() {
        let total: u128 = rest.iter().map(|size| u128::from(*size)).sum();
        if total == 0 || room.width == 0 || room.height == 0 {
            out.extend(rest.iter().map(|_| Rect { width: 0, height: 0, ..room }));
            break;
        }
        let area = u128::from(room.width) * u128::from(room.height);
        let side = room.width.min(room.height);
        // The row takes one more as long as that makes its worst rectangle no longer and thinner.
        let mut count = 1;
        while count < rest.len()
            && worse(&rest[..count], side, total, area) >= worse(&rest[..=count], side, total, area)
        {
            count += 1;
        }
        let (row, after) = rest.split_at(count);
        let sum: u128 = row.iter().map(|size| u128::from(*size)).sum();
        let wide = room.width >= room.height;
        let length = if wide { room.width } else { room.height };
        let depth = if after.is_empty() { length } else { divide(u128::from(length) * sum, total) };
        let mut done: u128 = 0;
        for size in row {
            let from = divide(u128::from(side) * done, sum);
            done += u128::from(*size);
            let to = divide(u128::from(side) * done, sum);
            out.push(match wide {
                true => Rect { x: room.x, y: room.y + from, width: depth, height: to - from },
                false => Rect { x: room.x + from, y: room.y, width: to - from, height: depth },
            });
        }
        room = match wide {
            true => Rect { x: room.x + depth, width: room.width - depth, ..room },
            false => Rect { y: room.y + depth, height: room.height - depth, ..room },
        };
        rest = after;
    }
    out
}

fn divide(a: u128, b: u128) -> u64 {
    a.checked_div(b).map_or(0, |quotient| u64::try_from(quotient).unwrap_or(u64::MAX))
}

/// How long and thin the worst rectangle of a row is, in thousandths.
fn worse(row: &[u64], side: u64, total: u128, area: u128) -> u128 {
    let sum: u128 = row.iter().map(|size| u128::from(*size)).sum();
    if sum == 0 || side == 0 {
        return u128::MAX;
    }
    // Its depth and the least and the greatest share of its length, all times 1000.
    let depth = (area * 1000 / total).saturating_mul(sum) / u128::from(side);
    let ratio = |size: u64| {
        let length = u128::from(side) * 1000 * u128::from(size) / sum;
        if length == 0 || depth == 0 { u128::MAX } else { (length * 1000 / depth).max(depth * 1000 / length) }
    };
    let (least, greatest) = (row.iter().min(), row.iter().max());
    least.into_iter().chain(greatest).map(|size| ratio(*size)).max().unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_in_proportion_and_apart() {
        let room = Rect { x: 0, y: 0, width: 6000, height: 4000 };
        let sizes = [6, 6, 4, 3, 2, 2, 1];
        let rects = lay(&sizes, room);
        assert_eq!(rects.len(), sizes.len());
        for (rect, size) in rects.iter().zip(sizes) {
            let area = rect.width * rect.height;
            assert!(area.abs_diff(size * 1_000_000) < 10_000, "{rect:?} of {size}");
            assert!(rect.width < 3 * rect.height && rect.height < 3 * rect.width, "{rect:?}");
            assert!(rect.x + rect.width <= 6000 && rect.y + rect.height <= 4000, "{rect:?}");
        }
        for (number, a) in rects.iter().enumerate() {
            for b in &rects[number + 1..] {
                let apart =
                    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn nothing_and_too_much_are_laid_as_well() {
        let room = Rect { x: 0, y: 0, width: 10, height: 10 };
        assert_eq!(lay(&[], room), []);
        assert_eq!(lay(&[0, 0], room).len(), 2);
        assert_eq!(lay(&[u64::MAX; 300], room).len(), 300);
    }
}
