//! Lists that are kept for as long as the program runs, without room to spare.

/// Collects into a list of its own. `collect` builds a list of small items within that of the large ones that they are made of, and
/// keeps the room of those.
pub fn compact<T>(items: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let mut list = Vec::with_capacity(items.len());
    list.extend(items);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_large_items_is_given_back() {
        let large = vec![[0_u64; 85]; 100];
        assert_eq!(compact(large.into_iter().map(Box::new)).capacity(), 100);
    }
}
