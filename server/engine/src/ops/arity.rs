//! How many inputs a node must name, so that one that lacks them is refused when the model loads.
//!
//! The inputs that an operator needs come before those that it can do without; where a later version needs
//! fewer or more, the number is that version's.

/// Number of inputs, from the first, that a node of this operator cannot do without.
pub fn required_inputs(op_type: &str, opset: u32) -> usize {
    match op_type {
        "Constant" | "Loop" | "Scan" | "Optional" | "OptionalHasElement" | "SequenceEmpty"
        | "RandomNormal" | "RandomUniform" => 0,
        "Reshape" if opset < 5 => 1,
        "Upsample" if opset < 9 => 1,
        "Slice" | "TopK" if opset < 10 => 1,
        "Pad" if opset < 11 => 1,
        "Unsqueeze" if opset < 13 => 1,
        "Slice"
        | "Where"
        | "OneHot"
        | "Range"
        | "Scatter"
        | "ScatterElements"
        | "ScatterND"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "DynamicQuantizeMatMul"
        | "LSTM"
        | "GRU"
        | "RNN" => 3,
        "QLinearMatMul" | "QLinearConv" => 8,
        "Attention" | "RotaryEmbedding" | "RoiAlign" | "DeformConv" | "Col2Im" => 3,
        "BatchNormalization" | "MelWeightMatrix" => 5,
        "MatMulIntegerToFloat" => 4,
        "Add"
        | "Sub"
        | "Mul"
        | "Div"
        | "Pow"
        | "Mod"
        | "And"
        | "Or"
        | "Xor"
        | "Equal"
        | "Greater"
        | "Less"
        | "GreaterOrEqual"
        | "LessOrEqual"
        | "BitShift"
        | "BitwiseAnd"
        | "BitwiseOr"
        | "BitwiseXor"
        | "PRelu"
        | "CastLike"
        | "CumSum"
        | "MatMul"
        | "Gemm"
        | "Conv"
        | "ConvTranspose"
        | "ConvInteger"
        | "MatMulInteger"
        | "LayerNormalization"
        | "RMSNormalization"
        | "QuantizeLinear"
        | "DequantizeLinear"
        | "Gather"
        | "GatherElements"
        | "GatherND"
        | "Compress"
        | "Expand"
        | "Tile"
        | "Reshape"
        | "Pad"
        | "TopK"
        | "Unsqueeze"
        | "Upsample"
        | "CenterCropPad"
        | "ReverseSequence"
        | "NonMaxSuppression"
        | "NegativeLogLikelihoodLoss"
        | "SoftmaxCrossEntropyLoss"
        | "GridSample"
        | "AffineGrid"
        | "MaxUnpool"
        | "MaxRoiPool"
        | "STFT"
        | "StringConcat"
        | "TensorScatter"
        | "SequenceAt"
        | "SequenceInsert"
        | "ArrayFeatureExtractor" => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::required_inputs;

    #[test]
    fn a_version_counts_where_attributes_became_inputs() {
        let cases = [("Reshape", 1, 1), ("Reshape", 5, 2), ("Slice", 9, 1), ("Slice", 10, 3), ("Pad", 10, 1)];
        for (op, opset, expected) in cases {
            assert_eq!(required_inputs(op, opset), expected, "{op} of opset {opset}");
        }
        assert_eq!(required_inputs("Loop", 21), 0);
        assert_eq!(required_inputs("Relu", 1), 1);
    }
}
