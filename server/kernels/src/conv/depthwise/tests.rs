use proptest::prelude::*;

use super::*;
use crate::conv::reference::{Case, any_finish, any_sizes, close};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::effort::cases(200)))]
    #[test]
    fn every_instruction_set_follows_the_definition(
        sizes in any_sizes(),
        channels in 1usize..40,
        finish in any_finish(),
    ) {
        let case = Case { sizes, groups: channels, in_channels: channels, out_channels: channels };
        let conv = Depthwise::new(channels, &case.weights(), Some(&case.bias())).unwrap();
        let sums = case.sums();
        for isa in Isa::available() {
            close(&conv.run(isa, &sizes, &case.input(), finish).unwrap(), &sums, finish, 2e-6)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::effort::cases(100)))]
    #[test]
    fn the_common_filters_do_too(
        batch in 1usize..3,
        (height, width) in (1usize..9, 1usize..24),
        kernel in prop_oneof![Just(3usize), Just(5)],
        stride in 1usize..3,
        pads in (0usize..3, 0usize..3),
        channels in 1usize..40,
        finish in any_finish(),
    ) {
        use crate::{conv::reference::axis, window::Axis};
        let (y, x) = (axis(height, kernel, stride, 1, pads), axis(width, kernel, stride, 1, pads));
        prop_assume!(y.output > 0 && x.output > 0);
        let sizes = Sizes { batch, window: [Axis::ONE, y, x] };
        let case = Case { sizes, groups: channels, in_channels: channels, out_channels: channels };
        let conv = Depthwise::new(channels, &case.weights(), Some(&case.bias())).unwrap();
        let sums = case.sums();
        for isa in Isa::available() {
            close(&conv.run(isa, &sizes, &case.input(), finish).unwrap(), &sums, finish, 2e-6)?;
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let finish = Finish::NONE;
    assert!(Depthwise::new(2, &[0.0; 5], None).is_none());
    assert!(Depthwise::new(0, &[], None).is_none());
    assert!(Depthwise::new(2, &[0.0; 6], Some(&[0.0])).is_none());
    let conv = Depthwise::new(2, &[0.0; 6], None).unwrap();
    let axis = crate::conv::reference::axis(4, 3, 1, 1, (1, 1));
    let sizes = Sizes { batch: 1, window: [crate::window::Axis::ONE, crate::window::Axis::ONE, axis] };
    assert!(conv.run(Isa::current(), &sizes, &[0.0; 7], finish).is_none());
    assert_eq!(conv.run(Isa::current(), &sizes, &[0.0; 8], finish).unwrap(), [0.0; 8]);
}
