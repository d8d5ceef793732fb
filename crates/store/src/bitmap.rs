//! Which hosts of a chunk: a bitmap with the zero bytes at its end cut off.

/// Hosts of one chunk of a posting list: host ids from `chunk * HOSTS_PER_CHUNK` on.
pub(crate) const HOSTS_PER_CHUNK: i64 = 1024;

/// The bytes of a full chunk.
const CHUNK_BYTES: usize = 128;

/// Returns the chunk of a host and its bit there.
pub(crate) fn place_of(host_id: i64) -> (i64, u16) {
    let bit = host_id.rem_euclid(HOSTS_PER_CHUNK);
    (host_id.div_euclid(HOSTS_PER_CHUNK), u16::try_from(bit).expect("invariant: below 1024"))
}

/// Sets or clears a bit below [`HOSTS_PER_CHUNK`].
pub(crate) fn write_bit(bitmap: &mut Vec<u8>, bit: u16, is_set: bool) {
    let (byte, mask) = (usize::from(bit / 8), 1 << (bit % 8));
    if is_set {
        if bitmap.len() <= byte {
            bitmap.resize(byte + 1, 0);
        }
        bitmap[byte] |= mask;
    } else if let Some(value) = bitmap.get_mut(byte) {
        *value &= !mask;
        while bitmap.last() == Some(&0) {
            bitmap.pop();
        }
    }
}

/// Returns the host ids of a chunk, ascending; `None` for a bitmap that is longer than a chunk.
pub(crate) fn hosts_of(chunk: i64, bitmap: &[u8]) -> Option<impl Iterator<Item = i64>> {
    let first = chunk.checked_mul(HOSTS_PER_CHUNK)?;
    let is_set = |bit: &i64| {
        let bit = usize::try_from(*bit).unwrap_or(usize::MAX);
        bitmap.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    };
    (bitmap.len() <= CHUNK_BYTES)
        .then(move || (0..HOSTS_PER_CHUNK).filter(is_set).map(move |bit| first + bit))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bitmap_is_the_set_of_its_bits(
            chunk in 0_i64..1000,
            writes in proptest::collection::vec((0_u16..1024, any::<bool>()), 0..200),
        ) {
            let (mut bitmap, mut expected) = (Vec::new(), BTreeSet::new());
            for (bit, is_set) in writes {
                write_bit(&mut bitmap, bit, is_set);
                let host = chunk * HOSTS_PER_CHUNK + i64::from(bit);
                prop_assert_eq!(place_of(host), (chunk, bit));
                if is_set { expected.insert(host) } else { expected.remove(&host) };
            }
            let hosts: Vec<i64> = hosts_of(chunk, &bitmap).expect("short").collect();
            prop_assert_eq!(hosts, expected.into_iter().collect::<Vec<_>>());
            prop_assert_ne!(bitmap.last(), Some(&0));
        }
    }

    #[test]
    fn a_bitmap_that_is_too_long_is_refused() {
        assert!(hosts_of(0, &[0; CHUNK_BYTES + 1]).is_none());
        assert!(hosts_of(i64::MAX, &[1]).is_none());
    }
}
