//! A tree that is kept whole, to make proofs from.

use super::{TreeHash, empty_root, hash_node};

/// A tree with every complete part of it: 64 bytes for each leaf.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MerkleTree {
    /// The roots of the complete trees of 1, 2, 4... leaves, from the left.
    levels: Vec<Vec<TreeHash>>,
}

impl FromIterator<TreeHash> for MerkleTree {
    fn from_iter<I: IntoIterator<Item = TreeHash>>(leaves: I) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

impl MerkleTree {
    /// Returns how many leaves it has.
    pub fn size(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Adds a leaf, by its hash.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => hash = hash_node(left, right),
                _ => return,
            }
        }
    }

    /// Returns the root of the tree of the first leaves; `None` where there are fewer.
    pub fn root(&self, size: usize) -> Option<TreeHash> {
        match size {
            0 => Some(empty_root()),
            _ => (size <= self.size()).then(|| self.hash(0, size)),
        }
    }

    /// Returns the proof that a leaf, counted from 0, is in the tree of the first leaves: the hashes that lead
    /// from it to the root (RFC 9162 §2.1.3.1). `None` where it is not.
    pub fn inclusion(&self, index: usize, size: usize) -> Option<Vec<TreeHash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let mut path = Vec::new();
        let (mut low, mut high) = (0, size);
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                path.push(self.hash(middle, high));
                high = middle;
            } else {
                path.push(self.hash(low, middle));
                low = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// Returns the proof that the tree of the first `new` leaves begins with that of the first `old` ones
    /// (RFC 9162 §2.1.4.1). `None` where it does not, or has no such leaves.
    pub fn consistency(&self, old: usize, new: usize) -> Option<Vec<TreeHash>> {
        if old > new || new > self.size() {
            return None;
        }
        if old == 0 || old == new {
            return Some(Vec::new());
        }
        let mut path = Vec::new();
        let (mut low, mut high) = (0, new);
        // The end of the old tree is looked for; what lies beside the way to it is the proof.
        while high != old {
            let middle = low + split(high - low);
            if old <= middle {
                path.push(self.hash(middle, high));
                high = middle;
            } else {
                path.push(self.hash(low, middle));
                low = middle;
            }
        }
        // The old tree itself is known to whoever checks the proof.
        if low > 0 {
            path.push(self.hash(low, high));
        }
        path.reverse();
        Some(path)
    }

    /// Hashes the leaves of a range that a tree of these leaves has as a part. Its length is at least 1.
    fn hash(&self, low: usize, high: usize) -> TreeHash {
        let length = high - low;
        if length.is_power_of_two() {
            let level = length.trailing_zeros();
            return self.levels[level as usize][low >> level];
        }
        let middle = low + split(length);
        hash_node(&self.hash(low, middle), &self.hash(middle, high))
    }
}

/// Returns the greatest power of two that is smaller than a length of at least 2.
fn split(length: usize) -> usize {
    1 << (length - 1).ilog2()
}
