use super::*;
use crate::value::ElemType;

type Operand = (Vec<usize>, Vec<f64>);

fn run(equation: &str, operands: &[Operand]) -> Result<Operand> {
    let tensors: Vec<Tensor> =
        operands.iter().map(|(shape, data)| Tensor::from_vec(&shape[..], data.clone()).unwrap()).collect();
    let einsum = Einsum { equation: Equation::parse(equation)? };
    let tensor = einsum.run::<f64>(&tensors.iter().collect::<Vec<_>>())?;
    Ok((tensor.shape().to_vec(), tensor.to_vec()?))
}

/// An operand of this shape that counts from 1.
fn counted(shape: &[usize]) -> Operand {
    (shape.to_vec(), (1..=shape.iter().product::<usize>()).map(|i| i as f64).collect())
}

fn check(equation: &str, operands: &[Operand], shape: &[usize], data: &[f64]) {
    let (came_shape, came) = run(equation, operands).unwrap();
    assert_eq!((&came_shape[..], &came[..]), (shape, data), "{equation}");
}

#[test]
fn it_is_what_numpy_says() {
    let (square, row) = (counted(&[2, 2]), counted(&[2]));
    let squares = [square.clone(), square.clone()];
    check("ij->ji", &squares[..1], &[2, 2], &[1.0, 3.0, 2.0, 4.0]);
    check("ba", &squares[..1], &[2, 2], &[1.0, 3.0, 2.0, 4.0]);
    check("ii", &squares[..1], &[], &[5.0]);
    check("ii->i", &squares[..1], &[2], &[1.0, 4.0]);
    check("ij,jk", &squares, &[2, 2], &[7.0, 10.0, 15.0, 22.0]);
    check("ij,ij->", &squares, &[], &[30.0]);
    check("ij, j -> i", &[square.clone(), row.clone()], &[2], &[5.0, 11.0]);
    check("i,j", &[row.clone(), row.clone()], &[2, 2], &[1.0, 2.0, 2.0, 4.0]);
    check("ij,jk,k->i", &[square.clone(), square.clone(), row.clone()], &[2], &[27.0, 59.0]);
    check("->", &[counted(&[])], &[], &[1.0]);
    check("ij,jk->ik", &[counted(&[2, 0]), counted(&[0, 1])], &[2, 1], &[0.0, 0.0]);
}

#[test]
fn an_ellipsis_and_sizes_of_one_are_stretched() {
    let (square, row) = (counted(&[2, 2]), counted(&[2]));
    check("...j,j", &[square.clone(), row], &[2], &[5.0, 11.0]);
    check("b...,c...->...", &[square.clone(), square.clone()], &[2], &[16.0, 36.0]);
    check("ij,ij->ij", &[square, counted(&[1, 2])], &[2, 2], &[1.0, 4.0, 3.0, 8.0]);
    // A size of 1 is stretched to 0, too.
    check("i,ij->ij", &[counted(&[0]), counted(&[1, 6])], &[0, 6], &[]);
    check("ij,i->ij", &[counted(&[1, 6]), counted(&[0])], &[0, 6], &[]);
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
    assert!(run("i", &[counted(&[2, 2])]).is_err());
    assert!(run("ij,jk->ik", &[counted(&[2, 2]), counted(&[3, 1])]).is_err());
}
