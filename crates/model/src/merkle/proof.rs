//! Checking proofs: what anybody can do who has a root that they trust.

use thiserror::Error;

use super::{TreeHash, empty_root, hash_node};

/// A proof that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofRefused {
    /// There is no such leaf, or no such older tree.
    #[error("{asked} is beyond a tree of {size} leaves")]
    Beyond {
        /// What was asked for.
        asked: u64,
        /// The size of the tree.
        size: u64,
    },
    /// It has too few hashes, or too many.
    #[error("the proof has {hashes} hashes, which is not what a tree of this size needs")]
    Length {
        /// How many it has.
        hashes: usize,
    },
    /// It leads to another root.
    #[error("the proof leads to another root")]
    OtherRoot,
}

/// Checks that a leaf, counted from 0, is in a tree (RFC 9162 §2.1.3.2).
///
/// # Errors
/// [`ProofRefused`].
pub fn verify_inclusion(
    leaf: &TreeHash,
    index: u64,
    size: u64,
    proof: &[TreeHash],
    root: &TreeHash,
) -> Result<(), ProofRefused> {
    if index >= size {
        return Err(ProofRefused::Beyond { asked: index, size });
    }
    let mut way = Way { node: index, last: size - 1 };
    let mut hash = *leaf;
    for beside in proof {
        match way.side().ok_or(ProofRefused::Length { hashes: proof.len() })? {
            Side::Left => hash = hash_node(beside, &hash),
            Side::Right => hash = hash_node(&hash, beside),
        }
    }
    way.finish(proof.len())?;
    if hash == *root { Ok(()) } else { Err(ProofRefused::OtherRoot) }
}

/// Checks that a tree begins with an older one (RFC 9162 §2.1.4.2).
///
/// # Errors
/// [`ProofRefused`].
pub fn verify_consistency(
    old: (u64, &TreeHash),
    new: (u64, &TreeHash),
    proof: &[TreeHash],
) -> Result<(), ProofRefused> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    let length = ProofRefused::Length { hashes: proof.len() };
    if old_size > new_size {
        return Err(ProofRefused::Beyond { asked: old_size, size: new_size });
    }
    if old_size == 0 || old_size == new_size {
        let is_same = if old_size == 0 { *old_root == empty_root() } else { old_root == new_root };
        return match (proof, is_same) {
            ([], true) => Ok(()),
            ([], false) => Err(ProofRefused::OtherRoot),
            _ => Err(length),
        };
    }
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(length)?;
        (first, rest)
    };
    let shift = (old_size - 1).trailing_ones();
    let mut way = Way { node: (old_size - 1) >> shift, last: (new_size - 1) >> shift };
    let (mut of_old, mut of_new) = (*first, *first);
    for beside in rest {
        match way.side().ok_or(length)? {
            Side::Left => {
                of_old = hash_node(beside, &of_old);
                of_new = hash_node(beside, &of_new);
            }
            Side::Right => of_new = hash_node(&of_new, beside),
        }
    }
    way.finish(proof.len())?;
    if of_old == *old_root && of_new == *new_root { Ok(()) } else { Err(ProofRefused::OtherRoot) }
}

/// On which side of the way to the root a hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root, level by level.
struct Way {
    /// The node's place in its level.
    node: u64,
    /// The place of the last node in that level.
    last: u64,
}

impl Way {
    /// Goes up one step; `None` where the root is reached already.
    fn side(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let is_right = self.node & 1 == 1 || self.node == self.last;
        if is_right {
            // A last node without a sister goes up as it is. It is not the first one: that was the root.
            let up = self.node.trailing_zeros();
            self.node = self.node.checked_shr(up).unwrap_or(0);
            self.last = self.last.checked_shr(up).unwrap_or(0);
        }
        self.node >>= 1;
        self.last >>= 1;
        Some(if is_right { Side::Left } else { Side::Right })
    }

    fn finish(&self, hashes: usize) -> Result<(), ProofRefused> {
        if self.last == 0 { Ok(()) } else { Err(ProofRefused::Length { hashes }) }
    }
}
