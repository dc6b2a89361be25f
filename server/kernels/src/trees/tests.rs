//! Walks against ones taken step by step.

use super::*;

fn number(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// A tree of random shape over the branches that it appends.
fn grow(branches: &mut Vec<Branch>, leaves: &mut u32, depth: usize, state: &mut u64) -> Child {
    if depth == 0 || number(state).is_multiple_of(5) {
        *leaves += 1;
        return Child::Leaf(*leaves - 1);
    }
    let yes = grow(branches, leaves, depth - 1, state);
    let no = grow(branches, leaves, depth - 1, state);
    let (feature, split) = (number(state) % 7, (number(state) % 100) as f32);
    branches.push(Branch { feature, split, yes, no });
    Child::Branch(branches.len() - 1)
}

fn one_by_one(mut child: Child, branches: &[Branch], row: &[f32]) -> u32 {
    loop {
        match child {
            Child::Leaf(leaf) => return leaf,
            Child::Branch(i) => {
                let branch = &branches[i];
                child = if row[branch.feature] <= branch.split { branch.yes } else { branch.no };
            }
        }
    }
}

#[test]
fn walks_end_where_single_steps_do() {
    let (mut branches, mut leaves, mut state) = (Vec::new(), 0, 7);
    let roots: Vec<Child> = (0..21).map(|i| grow(&mut branches, &mut leaves, i % 8, &mut state)).collect();
    let forest = Forest::new(&roots, &branches, 1 << 16).unwrap();
    for count in [0, 1, 7, 8, 19] {
        let rows: Vec<f32> = (0..count * 9).map(|_| (number(&mut state) % 100) as f32).collect();
        let mut ends = vec![Vec::new(); count];
        forest.walk(&rows, 9, |row, leaf| ends[row].push(leaf)).unwrap();
        for (row, ends) in rows.chunks(9).zip(&ends) {
            let expected: Vec<u32> = roots.iter().map(|&root| one_by_one(root, &branches, row)).collect();
            assert_eq!(*ends, expected, "{count} rows");
        }
    }
}

#[test]
fn what_does_not_fit_is_none() {
    let leaf = Child::Leaf(0);
    let branch = |feature| Branch { feature, split: 0.0, yes: leaf, no: leaf };
    let new = |branch, most| Forest::new(&[Child::Branch(0)], &[branch], most);
    assert!(new(branch(70_000), 10).is_none());
    assert!(new(branch(0), 2).is_none());
    assert!(Forest::new(&[Child::Branch(1)], &[branch(0)], 10).is_none());
    let forest = new(branch(3), 10).unwrap();
    assert!(forest.walk(&[0.0; 6], 3, |_, _| {}).is_none());
    assert!(forest.walk(&[0.0; 6], 4, |_, _| {}).is_none());
    assert!(forest.walk(&[0.0; 8], 4, |_, _| {}).is_some());
    // Branches that meet again: 2^20 leaves of 20 branches.
    let twice: Vec<Branch> = (0..20)
        .map(|i| {
            let next = if i == 19 { leaf } else { Child::Branch(i + 1) };
            Branch { feature: 0, split: 0.0, yes: next, no: next }
        })
        .collect();
    assert!(Forest::new(&[Child::Branch(0)], &twice, 1000).is_none());
}

#[test]
fn infinite_features_stay_at_their_leaf() {
    let branch = Branch { feature: 0, split: 1.0, yes: Child::Leaf(1), no: Child::Leaf(2) };
    let forest = Forest::new(&[Child::Leaf(5), Child::Branch(0)], &[branch], 10).unwrap();
    let mut ends = Vec::new();
    forest.walk(&[f32::INFINITY, f32::NEG_INFINITY], 1, |_, leaf| ends.push(leaf)).unwrap();
    assert_eq!(ends, [5, 2, 5, 1]);
}
