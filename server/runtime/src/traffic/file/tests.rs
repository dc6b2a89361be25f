//! What a traffic file may say, and what each mistake is answered with.

use super::*;

const WHOLE: &str = r#"
[labels]
stable = 1
canary = 2

[[rules]]
name = "testers"
header = "X-Tester"
in = ["anna", "ben"]
to = "canary"

[[rules]]
name = "north"
parameter = "region"
prefix = "north-"
to = 3

[split]
weights = { stable = 90, canary = 9.5, 4 = 0.5 }
sticky = [{ header = "x-subscriber-id" }, { parameter = "subscriber" }]
salt = "november"

[shadow]
to = 5
percent = 20
"#;

#[test]
fn a_whole_file_is_read() {
    let traffic = Traffic::parse(WHOLE, "m").unwrap();
    assert_eq!(traffic.labels, BTreeMap::from([("canary".to_owned(), 2), ("stable".to_owned(), 1)]));
    let names: Vec<_> = traffic.rules.iter().map(|rule| (&*rule.name, rule.to.to_string())).collect();
    assert_eq!(names, [("testers", "canary".to_owned()), ("north", "3".to_owned())]);
    assert_eq!(traffic.rules[0].source, Source::Header("x-tester".to_owned()));
    let split = traffic.split.as_ref().unwrap();
    let arms: Vec<_> = split.arms().iter().map(|arm| (&*arm.name, arm.weight)).collect();
    assert_eq!(arms, [("4", 0.5), ("canary", 9.5), ("stable", 90.0)]);
    assert_eq!(split.sticky.len(), 2);
    assert_eq!(traffic.shadow, Some(Shadow { to: Target::Version(5), percent: 20.0, tolerance: TOLERANCE }));
    assert_eq!(traffic.versions(), BTreeSet::from([1, 2, 3, 4, 5]));
    assert_eq!(Traffic::parse("", "m").unwrap(), Traffic::default());
}

#[test]
fn the_models_name_is_the_salt_where_none_is_written() {
    let of = |text: &str, model| Traffic::parse(text, model).unwrap();
    let (plain, salted) = ("[split]\nweights = { 1 = 1 }", "[split]\nweights = { 1 = 1 }\nsalt = \"m\"");
    assert_eq!(of(plain, "m"), of(salted, "other"));
    assert_ne!(of(plain, "m"), of(plain, "other"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    for (text, told) in [
        ("[labels]\nstable = 0", "labels.stable: versions begin at 1, got 0"),
        ("[labels]\n\"2x\" = 1", "labels.2x: '2x' is no label"),
        ("[labels]\nstable = -1", "stable"),
        ("[label]\nstable = 1", "unknown field `label`"),
        ("[split]\nweights = { canary = 1 }", "'canary' is no version and none of the labels (none)"),
        ("[labels]\na = 1\n[split]\nweights = { b = 1 }", "none of the labels (a)"),
        ("[split]\nweights = { 1 = -1 }", "split.weights.1: a weight is 0 to 1e9, got -1"),
        ("[split]\nweights = { 1 = nan }", "split.weights.1: a weight"),
        ("[split]\nweights = { 1 = inf }", "split.weights.1: a weight"),
        ("[split]\nweights = { 1 = 0 }", "split.weights: at least one must be above 0"),
        ("[split]\nweights = {}", "split.weights: at least one must be above 0"),
        ("[split]\nweights = { 1 = 1 }\nsticky = [{}]", "split.sticky[0]: needs one of"),
        ("[shadow]\nto = 1\npercent = 101", "shadow.percent: must be 0 to 100, got 101"),
        ("[shadow]\nto = 1\npercent = 1\ntolerance = -1", "shadow.tolerance: must be 0 to 1, got -1"),
        ("[shadow]\nto = \"x\"\npercent = 1", "shadow.to: 'x' is no version"),
        ("[[rules]]\nname = \"r\"\nto = 1\nequals = \"x\"", "rules.r: needs one of 'header' and 'parameter'"),
        ("[[rules]]\nname = \"r\"\nto = 1\nheader = \"h\"", "rules.r: needs exactly one of 'equals'"),
        (
            "[[rules]]\nname = \"r\"\nto = \"x\"\nheader = \"h\"\nequals = \"v\"",
            "rules.r.to: 'x' is no version",
        ),
        ("[[rules]]\nname = \"a b\"\nto = 1\nheader = \"h\"\nequals = \"v\"", "'a b' is no label"),
    ] {
        let error = Traffic::parse(text, "m").unwrap_err();
        assert!(error.message().starts_with("traffic.toml: "), "{error}");
        assert!(error.message().contains(told), "{text}: {error}");
    }
    let two = Traffic::parse("[labels]\na = 0\nb = 0", "m").unwrap_err();
    assert!(two.message().contains("labels.a") && two.message().contains("labels.b"), "{two}");
}

#[test]
fn a_file_is_read_as_text_of_bounded_length() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(dir.path()), None);
    let path = dir.path().join(TRAFFIC_FILE);
    std::fs::write(&path, "[labels]\nstable = 1\n").unwrap();
    assert_eq!(read(dir.path()).unwrap().parse("m").unwrap().labels.len(), 1);
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(read(dir.path()).unwrap().parse("m").unwrap_err().message().contains("cannot be read"));
    std::fs::write(&path, vec![b'#'; MAX_BYTES as usize + 1]).unwrap();
    assert!(read(dir.path()).unwrap().parse("m").unwrap_err().message().contains("more than"));
}
