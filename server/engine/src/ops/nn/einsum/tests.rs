use super::*;
use crate::value::ElemType;

fn run(equation: &str, operands: &[(&[usize], Vec<f64>)]) -> Result<(Vec<usize>, Vec<f64>)> {
    let tensors: Vec<Tensor> =
        operands.iter().map(|(shape, data)| Tensor::from_vec(*shape, data.clone()).unwrap()).collect();
    let einsum = Einsum { equation: Equation::parse(equation)? };
    let tensor = einsum.run::<f64>(&tensors.iter().collect::<Vec<_>>())?;
    Ok((tensor.shape().to_vec(), tensor.to_vec()?))
}

fn counted(len: usize) -> Vec<f64> {
    (1..=len).map(|i| i as f64).collect()
}

#[test]
fn it_is_what_numpy_says() {
    let (square, row) = ((&[2usize, 2][..], counted(4)), (&[2usize][..], counted(2)));
    let cases: &[(&str, Vec<(&[usize], Vec<f64>)>, &[usize], &[f64])] = &[
        ("ij->ji", vec![square.clone()], &[2, 2], &[1.0, 3.0, 2.0, 4.0]),
        ("ii", vec![square.clone()], &[], &[5.0]),
        ("ii->i", vec![square.clone()], &[2], &[1.0, 4.0]),
        ("ij,jk", vec![square.clone(), square.clone()], &[2, 2], &[7.0, 10.0, 15.0, 22.0]),
        ("ij, j -> i", vec![square.clone(), row.clone()], &[2], &[5.0, 11.0]),
        ("i,j", vec![row.clone(), row.clone()], &[2, 2], &[1.0, 2.0, 2.0, 4.0]),
        ("ij,ij->", vec![square.clone(), square.clone()], &[], &[30.0]),
        ("...j,j", vec![square.clone(), row.clone()], &[2], &[5.0, 11.0]),
        ("b...,c...->...", vec![square.clone(), square.clone()], &[2], &[16.0, 36.0]),
        ("ij,jk,k->i", vec![square.clone(), square.clone(), row.clone()], &[2], &[27.0, 59.0]),
        // The second operand is stretched along i.
        ("ij,ij->ij", vec![square.clone(), (&[1, 2], counted(2))], &[2, 2], &[1.0, 4.0, 3.0, 8.0]),
        ("ba", vec![square.clone()], &[2, 2], &[1.0, 3.0, 2.0, 4.0]),
        ("->", vec![(&[], vec![3.0])], &[], &[3.0]),
        ("ij,jk->ik", vec![(&[2, 0], vec![]), (&[0, 1], vec![])], &[2, 1], &[0.0, 0.0]),
    ];
    for (equation, operands, shape, data) in cases {
        let (came_shape, came) = run(equation, operands).unwrap();
        assert_eq!((&came_shape[..], &came[..]), (*shape, *data), "{equation}");
    }
}

#[test]
fn integers_of_any_width_wrap() {
    let tensor = Tensor::from_vec(vec![2], vec![100i8, 100]).unwrap();
    let einsum = Einsum { equation: Equation::parse("i,i->").unwrap() };
    let out = einsum
        .eval(Inputs::new(vec![Some(tensor.clone().into()), Some(tensor.into())]), &RunContext::default());
    let out = out.unwrap()[0].tensor().unwrap().clone();
    assert_eq!((out.elem(), out.to_vec::<i8>().unwrap()), (ElemType::I8, vec![20_000i32 as i8]));
}

#[test]
fn what_is_no_equation_is_refused() {
    for equation in ["i1", "ij->ik", "ij->ii", "i..j", "......i", "ij->->ij"] {
        assert!(Equation::parse(equation).is_err(), "{equation}");
    }
    assert!(Equation::parse("ij,jk").unwrap().check_count(1).is_err());
    let square = (&[2usize, 2][..], counted(4));
    assert!(run("i", std::slice::from_ref(&square)).is_err());
    assert!(run("ij,jk->ik", &[square, (&[3, 1], counted(3))]).is_err());
}
