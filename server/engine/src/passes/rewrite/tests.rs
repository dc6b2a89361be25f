use super::*;
use crate::{
    ops::{Inputs, Outputs, RunContext, one},
    value::ElemType,
};

/// Adds its number to every element.
#[derive(Debug)]
struct Plus(f32);

impl Op for Plus {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![inputs.get(0).map(Fact::without_constant).unwrap_or_default()])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(Tensor::from_vec(
            input.shape().clone(),
            input.view::<f32>()?.iter().map(|v| v + self.0).collect(),
        )?)
    }
}

fn plus(number: f32, from: ValueId, to: ValueId) -> Node {
    let (inputs, outputs) = (vec![Some(from)], vec![Some(to)]);
    Node { name: format!("plus {number}"), op_type: "Plus", op: Box::new(Plus(number)), inputs, outputs }
}

/// `x + 1 + 2 + ...`, with the given values as outputs.
fn chain(numbers: &[f32], outputs: &[u32]) -> Graph {
    let mut graph = Graph::default();
    let fact = || Fact::known(ElemType::F32, &[2]);
    let mut last = graph.add_value(ValueInfo { name: "x".into(), fact: fact() });
    graph.inputs.push(last);
    for number in numbers {
        let made = graph.add_value(ValueInfo { name: format!("y{number}"), fact: fact() });
        graph.nodes.push(plus(*number, last, made));
        last = made;
    }
    graph.outputs = outputs.iter().map(|&id| ValueId(id)).collect();
    graph
}

/// Two additions in a row, the first of which only the second reads, are one.
fn join(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let second = operator::<Plus>(root)?;
    let between = root.input(0)?;
    let (first_node, first) = view.made_by::<Plus>(between)?;
    if !view.is_private(between) {
        return None;
    }
    edit.node_into("Plus", Plus(first.0 + second.0), first_node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// An addition of nothing.
fn nothing(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (made, taken) = (root.only_output()?, root.input(0)?);
    if operator::<Plus>(root)?.0 != 0.0 || view.is_output(made) {
        return None;
    }
    edit.alias(made, taken);
    Some(())
}

fn answers(graph: Graph) -> Vec<Vec<f32>> {
    let plan = crate::plan::Plan::new(graph).unwrap();
    let x = Tensor::from_vec(&[2usize][..], vec![1f32, 10.0]).unwrap();
    let made = plan.run(vec![x.into()], &RunContext::default()).unwrap();
    made.iter().map(|value| value.tensor().unwrap().to_vec::<f32>().unwrap()).collect()
}

#[test]
fn a_rule_is_applied_until_it_matches_no_more() {
    let mut graph = chain(&[1.0, 2.0, 3.0, 4.0], &[4]);
    run(&mut graph, &[join]).unwrap();
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(answers(graph), [[11.0, 20.0]]);
}

#[test]
fn what_the_graph_gives_out_is_not_swallowed() {
    let mut graph = chain(&[1.0, 2.0, 3.0], &[2, 3]);
    run(&mut graph, &[join]).unwrap();
    assert_eq!(graph.nodes.len(), 2);
    assert_eq!(answers(graph), [[4.0, 13.0], [7.0, 16.0]]);
}

#[test]
fn aliases_of_aliases_lead_to_the_first() {
    let mut graph = chain(&[1.0, 0.0, 0.0, 5.0, 0.0], &[5]);
    run(&mut graph, &[nothing, join]).unwrap();
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(answers(graph), [[7.0, 16.0]]);
}

#[test]
fn new_values_have_their_facts() {
    fn split(_: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
        let whole = operator::<Plus>(root).filter(|op| op.0 > 1.0)?.0;
        let half = edit.node("Plus", Plus(whole - 1.0), root.inputs.clone());
        edit.node_into("Plus", Plus(1.0), [Some(half)], root.outputs.clone());
        Some(())
    }
    let mut graph = chain(&[3.0], &[1]);
    run(&mut graph, &[split]).unwrap();
    assert_eq!(graph.nodes.len(), 3);
    let all = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten());
    assert!(all.clone().all(|&id| graph.fact(id).concrete_shape().is_some_and(|shape| shape[..] == [2])));
    assert_eq!(answers(graph), [[4.0, 13.0]]);
}
