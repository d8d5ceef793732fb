//! Merkle trees as RFC 6962 and RFC 9162 define them: one hash stands for a list of leaves, and short proofs
//! show that a leaf is in the list, or that one list begins with another.
//!
//! A leaf is SHA-256 over a zero byte and its content; an inner node is SHA-256 over a one byte and its two
//! children. A tree of n leaves has the greatest power of two below n in its left half.

mod proof;
mod tree;

use sha2::{Digest, Sha256};

pub use proof::{ProofRefused, verify_consistency, verify_inclusion};
pub use tree::MerkleTree;

/// A hash of a leaf, of a node or of a whole tree (SHA-256).
pub type TreeHash = [u8; 32];

/// Hashes the content of a leaf (RFC 9162 §2.1.1).
pub fn hash_leaf(content: &[u8]) -> TreeHash {
    Sha256::new().chain_update([0]).chain_update(content).finalize().into()
}

/// Hashes an inner node (RFC 9162 §2.1.1).
pub fn hash_node(left: &TreeHash, right: &TreeHash) -> TreeHash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Returns the root of the tree without leaves: SHA-256 over nothing.
pub fn empty_root() -> TreeHash {
    Sha256::digest([]).into()
}

/// What is needed of a tree to let it grow: its size and the roots of the complete trees that it is made of, the
/// largest first. A tree of a billion leaves has thirty of them at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<TreeHash>,
}

impl Frontier {
    /// Takes up a frontier that was kept. `None` where a tree of this size has another number of roots.
    pub fn from_parts(size: u64, roots: Vec<TreeHash>) -> Option<Self> {
        (u64::from(size.count_ones()) == roots.len() as u64).then_some(Self { size, roots })
    }

    /// Returns how many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the roots of its complete trees, the largest first.
    pub fn roots(&self) -> &[TreeHash] {
        &self.roots
    }

    /// Adds a leaf, by its hash.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            match self.roots.pop() {
                Some(left) => hash = hash_node(&left, &hash),
                None => break,
            }
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// Returns the root of the tree.
    pub fn root(&self) -> TreeHash {
        let join = |right: TreeHash, left: TreeHash| hash_node(&left, &right);
        self.roots.iter().rev().copied().reduce(join).unwrap_or_else(empty_root)
    }
}

#[cfg(test)]
mod tests;
