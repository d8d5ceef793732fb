//! A set of hosts: a bitmap for every thousand of a client's hosts, as the posting lists have them.

use std::collections::BTreeMap;

use model::ClientName;

use crate::bitmap::{HOSTS_PER_CHUNK, place_of};
use crate::record::HostId;

/// Words of a chunk's bitmap.
const CHUNK_WORDS: usize = 16;

/// Bits of a word.
const WORD_BITS: usize = 64;

/// The hosts of one chunk, the lowest bit of a word first.
type Chunk = [u64; CHUNK_WORDS];

/// Chunks of one client with their numbers, ascending; none of them is empty. A list and not a map: most
/// sets of a client have one chunk, for which a map would set ten times the room aside.
type Chunks = Vec<(i64, Chunk)>;

/// A set of hosts that knows whose each of them is. A hundred thousand hosts of one client take 14 kB, and
/// to count, join or cut sets no host is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostSet {
    clients: BTreeMap<ClientName, Chunks>,
}

impl HostSet {
    /// Returns how many hosts there are.
    pub fn len(&self) -> usize {
        self.clients.values().map(|chunks| count(chunks)).sum()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Returns how many hosts each client has here; a client without any is left out.
    pub fn len_by_client(&self) -> BTreeMap<ClientName, usize> {
        self.clients.iter().map(|(client, chunks)| (client.clone(), count(chunks))).collect()
    }

    /// Returns the clients of the hosts, sorted.
    pub fn clients(&self) -> impl Iterator<Item = &ClientName> {
        self.clients.keys()
    }

    /// Says whether a host is in it.
    pub fn contains(&self, host: HostId) -> bool {
        let (number, word, mask) = bit_of(host.0);
        self.clients
            .values()
            .any(|chunks| chunk_of(chunks, number).is_some_and(|chunk| chunk[word] & mask != 0))
    }

    /// Returns the hosts, by client, then number.
    pub fn iter(&self) -> impl Iterator<Item = HostId> {
        self.clients.values().flat_map(|chunks| hosts(chunks))
    }

    /// Returns the hosts with their clients, by client, then number.
    pub fn members(&self) -> impl Iterator<Item = (&ClientName, HostId)> {
        self.clients.iter().flat_map(|(client, chunks)| hosts(chunks).map(move |host| (client, host)))
    }

    /// Returns the hosts that are in any of the sets.
    pub fn union_of<'a>(sets: impl IntoIterator<Item = &'a HostSet>) -> Self {
        let mut all = Self::default();
        for set in sets {
            all.union_with(set);
        }
        all
    }

    /// Adds the hosts of another set.
    pub fn union_with(&mut self, other: &Self) {
        for (client, others) in &other.clients {
            let chunks = chunks_of(&mut self.clients, client);
            for (number, other) in others {
                join(chunk_to_change(chunks, *number), other);
            }
        }
    }

    /// Keeps the hosts that are in another set too.
    pub fn intersect_with(&mut self, other: &Self) {
        self.cut(other, |word, other| word & other, true);
    }

    /// Takes out the hosts of another set.
    pub fn subtract(&mut self, other: &Self) {
        self.cut(other, |word, other| word & !other, false);
    }

    /// Joins each word with the other set's; what the other set has no chunk for is dropped or kept.
    fn cut(&mut self, other: &Self, join: impl Fn(u64, u64) -> u64, drops_missing: bool) {
        self.clients.retain(|client, chunks| {
            let others = other.clients.get(client);
            chunks.retain_mut(|(number, chunk)| {
                let Some(other) = others.and_then(|others| chunk_of(others, *number)) else {
                    return !drops_missing;
                };
                for (word, other) in chunk.iter_mut().zip(other) {
                    *word = join(*word, *other);
                }
                chunk.iter().any(|word| *word != 0)
            });
            !chunks.is_empty()
        });
    }

    /// Adds one host of a client.
    pub fn insert(&mut self, client: &ClientName, host: HostId) {
        let (number, word, mask) = bit_of(host.0);
        chunk_to_change(chunks_of(&mut self.clients, client), number)[word] |= mask;
    }

    /// Adds a chunk of a posting list; `None` for a bitmap that is longer than a chunk.
    pub(crate) fn insert_bitmap(&mut self, client: &ClientName, number: i64, bitmap: &[u8]) -> Option<()> {
        let mut bytes = [0; CHUNK_WORDS * WORD_BITS / 8];
        bytes.get_mut(..bitmap.len())?.copy_from_slice(bitmap);
        // Every number of a host in it must be one.
        number.checked_mul(HOSTS_PER_CHUNK)?.checked_add(HOSTS_PER_CHUNK)?;
        let (words, _) = bytes.as_chunks::<{ WORD_BITS / 8 }>();
        let mut chunk = Chunk::default();
        for (word, bytes) in chunk.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        if chunk.iter().any(|word| *word != 0) {
            join(chunk_to_change(chunks_of(&mut self.clients, client), number), &chunk);
        }
        Some(())
    }

    /// Returns the hosts of one client, ascending.
    pub(crate) fn of_client(&self, client: &ClientName) -> impl Iterator<Item = HostId> {
        self.clients.get(client).into_iter().flat_map(|chunks| hosts(chunks))
    }
}

fn chunks_of<'a>(clients: &'a mut BTreeMap<ClientName, Chunks>, client: &ClientName) -> &'a mut Chunks {
    // Asked first, because a name is copied once for each client and not for each chunk.
    if !clients.contains_key(client) {
        clients.insert(client.clone(), Chunks::new());
    }
    clients.get_mut(client).expect("invariant: it is there by now")
}

fn chunk_of(chunks: &[(i64, Chunk)], number: i64) -> Option<&Chunk> {
    let at = chunks.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    Some(&chunks[at].1)
}

/// Returns the chunk of a number; an empty one where there was none, to be filled at once.
fn chunk_to_change(chunks: &mut Chunks, number: i64) -> &mut Chunk {
    let at = match chunks.binary_search_by_key(&number, |(number, _)| *number) {
        Ok(at) => at,
        Err(at) => {
            // A client has a few chunks, and there are very many sets: what a list sets aside adds up.
            chunks.reserve_exact(1);
            chunks.insert(at, (number, Chunk::default()));
            at
        }
    };
    &mut chunks[at].1
}

fn join(chunk: &mut Chunk, other: &Chunk) {
    for (word, other) in chunk.iter_mut().zip(other) {
        *word |= other;
    }
}

fn count(chunks: &[(i64, Chunk)]) -> usize {
    let ones: u32 = chunks.iter().flat_map(|(_, chunk)| chunk).map(|word| word.count_ones()).sum();
    ones as usize
}

fn hosts(chunks: &[(i64, Chunk)]) -> impl Iterator<Item = HostId> {
    chunks.iter().flat_map(|(number, chunk)| {
        let bits = (0_i64..).zip(chunk).flat_map(|(word, bits)| {
            let word = word * WORD_BITS as i64;
            (0..WORD_BITS as i64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word + bit)
        });
        bits.map(move |bit| HostId(number * HOSTS_PER_CHUNK + bit))
    })
}

/// Returns a host's chunk, word and mask.
fn bit_of(host: i64) -> (i64, usize, u64) {
    let (number, bit) = place_of(host);
    let bit = usize::from(bit);
    (number, bit / WORD_BITS, 1 << (bit % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn client(number: u8) -> ClientName {
        ClientName::new(&format!("client-{number}")).expect("valid")
    }

    /// A host belongs to one client.
    fn owner(host: i64) -> ClientName {
        client(u8::try_from(host % 3).expect("below 3"))
    }

    fn set(hosts: &BTreeSet<i64>) -> HostSet {
        let mut set = HostSet::default();
        for host in hosts {
            set.insert(&owner(*host), HostId(*host));
        }
        set
    }

    fn check(set: &HostSet, expected: &BTreeSet<i64>) {
        let mut hosts: Vec<i64> = set.iter().map(|host| host.0).collect();
        assert!(hosts.is_sorted_by_key(|host| (owner(*host), *host)), "by client, then number");
        hosts.sort_unstable();
        assert_eq!(hosts, expected.iter().copied().collect::<Vec<_>>());
        assert!(
            set.members()
                .map(|(client, host)| (client.clone(), host))
                .eq(set.iter().map(|host| (owner(host.0), host)))
        );
        assert_eq!((set.len(), set.is_empty()), (expected.len(), expected.is_empty()));
        assert_eq!(set.len_by_client().values().sum::<usize>(), expected.len());
        assert!(set.len_by_client().values().all(|count| *count > 0));
        assert!(expected.iter().all(|host| set.contains(HostId(*host))));
        for name in (0..3).map(client) {
            let its = set.of_client(&name).map(|host| host.0);
            assert!(its.eq(expected.iter().copied().filter(|host| owner(*host) == name)));
        }
        // Equal content is an equal value, whatever it was made of.
        assert_eq!(*set, self::set(expected));
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            a in proptest::collection::btree_set(0_i64..5000, 0..60),
            b in proptest::collection::btree_set(0_i64..5000, 0..60),
            common in proptest::collection::btree_set(0_i64..5000, 0..60),
        ) {
            let (a, b) = (&a | &common, &b | &common);
            check(&set(&a), &a);
            let others = b.difference(&a);
            prop_assert!(others.into_iter().all(|host| !set(&a).contains(HostId(*host))));
            let mut joined = set(&a);
            joined.union_with(&set(&b));
            check(&joined, &(&a | &b));
            check(&HostSet::union_of([&set(&a), &set(&b)]), &(&a | &b));
            let mut cut = set(&a);
            cut.intersect_with(&set(&b));
            check(&cut, &(&a & &b));
            let mut rest = set(&a);
            rest.subtract(&set(&b));
            check(&rest, &(&a - &b));
        }

        #[test]
        fn a_posting_list_is_read_or_refused(number in -2_i64..3, bitmap in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut set = HostSet::default();
            let read = set.insert_bitmap(&client(0), number, &bitmap);
            prop_assert_eq!(read.is_some(), bitmap.len() <= 128);
            let hosts = crate::bitmap::hosts_of(number, &bitmap).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
            prop_assert_eq!(set.iter().map(|host| host.0).collect::<Vec<_>>(), hosts);
        }
    }

    #[test]
    fn a_chunk_beyond_all_numbers_is_refused() {
        assert_eq!(HostSet::default().insert_bitmap(&client(0), i64::MAX / 1024, &[1]), None);
        assert_eq!(HostSet::default().insert_bitmap(&client(0), i64::MAX, &[1]), None);
    }
}
