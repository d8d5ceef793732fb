//! The vectors of Certificate Transparency, and properties.

use proptest::prelude::*;

use super::*;

/// The leaves of certificate-transparency's tests (`merkle_tree_test.cc`).
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// The roots of the trees of the first 0, 1, 2... of them.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn hash(text: &str) -> TreeHash {
    unhex(text).try_into().expect("32 bytes")
}

fn known() -> MerkleTree {
    LEAVES.iter().map(|leaf| hash_leaf(&unhex(leaf))).collect()
}

fn tree(size: usize) -> MerkleTree {
    (0..size).map(|leaf| hash_leaf(&leaf.to_le_bytes())).collect()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), hash(ROOTS[0]));
    for (at, leaf) in LEAVES.iter().enumerate() {
        frontier.push(hash_leaf(&unhex(leaf)));
        assert_eq!(frontier.root(), hash(ROOTS[at + 1]));
        assert_eq!(known().root(at + 1), Some(hash(ROOTS[at + 1])));
    }
    assert_eq!((known().root(0), known().root(9)), (Some(empty_root()), None));
}

#[test]
fn inclusion_paths_are_those_of_certificate_transparency() {
    let check = |index: usize, size: usize, path: &[&str]| {
        let path: Vec<TreeHash> = path.iter().map(|it| hash(it)).collect();
        assert_eq!(known().inclusion(index, size), Some(path.clone()), "{index} in {size}");
        let leaf = hash_leaf(&unhex(LEAVES[index]));
        let (index, size, root) = (index as u64, size as u64, hash(ROOTS[size]));
        assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
    };
    check(0, 1, &[]);
    check(
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
    check(
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

#[test]
fn consistency_paths_are_those_of_certificate_transparency() {
    let check = |old: usize, new: usize, path: &[&str]| {
        let path: Vec<TreeHash> = path.iter().map(|it| hash(it)).collect();
        assert_eq!(known().consistency(old, new), Some(path.clone()), "{old} in {new}");
        let (old_root, new_root) = (hash(ROOTS[old]), hash(ROOTS[new]));
        assert_eq!(verify_consistency((old as u64, &old_root), (new as u64, &new_root), &path), Ok(()));
    };
    check(1, 1, &[]);
    check(0, 8, &[]);
    check(
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

#[test]
fn every_leaf_is_proven_in_every_tree_and_no_other_one_is() {
    let tree = tree(40);
    for size in 1..=40 {
        let root = tree.root(size).expect("a root");
        for index in 0..size {
            let path = tree.inclusion(index, size).expect("a path");
            for other in 0..size as u64 {
                let leaf = hash_leaf(&(other as usize).to_le_bytes());
                let verified = verify_inclusion(&leaf, index as u64, size as u64, &path, &root);
                assert_eq!(verified.is_ok(), other == index as u64, "{other} at {index} of {size}");
            }
        }
        assert_eq!(tree.inclusion(size, size), None);
    }
}

#[test]
fn every_pair_of_trees_is_consistent_and_no_other_pair_is() {
    let tree = tree(40);
    let mut other: Vec<TreeHash> = (0..40_usize).map(|leaf| hash_leaf(&leaf.to_le_bytes())).collect();
    other[3] = [7; 32];
    let other: MerkleTree = other.into_iter().collect();
    for new in 0..=40 {
        let new_root = tree.root(new).expect("a root");
        for old in 0..=new {
            let path = tree.consistency(old, new).expect("a path");
            let check = |old_root: &TreeHash, path: &[TreeHash]| {
                verify_consistency((old as u64, old_root), (new as u64, &new_root), path)
            };
            let old_root = tree.root(old).expect("a root");
            assert_eq!(check(&old_root, &path), Ok(()), "{old} in {new}");
            let forked = other.root(old).expect("a root");
            assert_eq!(check(&forked, &path).is_ok(), old < 4, "a fork of {old} in {new}");
            let longer = [path.clone(), vec![[0; 32]]].concat();
            assert!(check(&old_root, &longer).is_err(), "a longer proof of {old} in {new}");
            if let Some((_, shorter)) = path.split_last() {
                assert!(check(&old_root, shorter).is_err(), "a shorter proof of {old} in {new}");
            }
        }
    }
    assert_eq!(tree.consistency(5, 4), None);
    let (root, beyond) = (tree.root(4).expect("a root"), ProofRefused::Beyond { asked: 5, size: 4 });
    assert_eq!(verify_consistency((5, &root), (4, &root), &[]), Err(beyond));
}

#[test]
fn a_frontier_is_taken_up_where_it_was_left() {
    let tree = tree(100);
    let mut frontier = Frontier::default();
    for leaf in 0..100_usize {
        frontier = Frontier::from_parts(frontier.size(), frontier.roots().to_vec()).expect("its own parts");
        frontier.push(hash_leaf(&leaf.to_le_bytes()));
        assert_eq!(Some(frontier.root()), tree.root(leaf + 1));
    }
    assert_eq!(Frontier::from_parts(3, vec![[0; 32]]), None);
}

proptest! {
    #[test]
    fn no_proof_of_nonsense_is_taken(
        index: u64,
        size: u64,
        proof in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
        root: [u8; 32],
    ) {
        prop_assert!(verify_inclusion(&[1; 32], index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency((index, &[1; 32]), (size, &root), &proof).is_err());
    }

    #[test]
    fn a_bent_proof_is_refused(size in 2_usize..200, index: proptest::sample::Index, at: proptest::sample::Index, bit in 0_u8..8) {
        let tree = tree(size);
        let index = index.index(size);
        let mut path = tree.inclusion(index, size).expect("a path");
        let position = at.index(path.len());
        path[position][usize::from(bit)] ^= 1 << bit;
        let root = tree.root(size).expect("a root");
        let leaf = hash_leaf(&index.to_le_bytes());
        let verified = verify_inclusion(&leaf, index as u64, size as u64, &path, &root);
        prop_assert_eq!(verified, Err(ProofRefused::OtherRoot));
    }
}
