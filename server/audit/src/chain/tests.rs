use girandole_core::audit::Change;
use proptest::prelude::*;

use super::*;

/// A log of so many entries, with a torn and closed line after the third.
fn log(count: u64) -> Vec<u8> {
    let (mut log, mut head) = (Vec::new(), Head::default());
    for seq in 1..=count {
        let torn = b"{\"seq\":4,\"ti";
        let what = match seq {
            4 => {
                log.extend_from_slice(torn);
                log.push(b'\n');
                What::LogRepaired { bytes: torn.len() as u64, sha256: line::hash(torn) }
            }
            seq if seq % 2 == 0 => What::VersionLoaded,
            _ => What::VersionFailed { reason: "its \"file\"\nis odd".to_owned() },
        };
        let entry = Entry {
            seq,
            time: "2026-01-02T03:04:05.000006Z".to_owned(),
            who: "repository".to_owned(),
            peer: None,
            change: Change::new(what).of("forecast").versions([seq]),
            prev: head.hash,
        };
        let (text, hash) = line::seal(&entry).unwrap();
        log.extend_from_slice(text.as_bytes());
        log.push(b'\n');
        head = Head { seq, hash };
    }
    log
}

fn judge_with(mut chain: Chain, log: &[u8]) -> Report {
    let mut lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let rest = lines.pop().filter(|rest| !rest.is_empty());
    let place = |number| ("log".to_owned(), number + 1);
    let count = lines.len();
    lines.into_iter().enumerate().for_each(|(number, line)| chain.line(place(number), line));
    chain.end(rest.map(|rest| (place(count), rest)))
}

fn judge(log: &[u8]) -> Report {
    judge_with(Chain::default(), log)
}

fn flaws(log: &[u8]) -> Vec<(usize, Flaw)> {
    judge(log).faults.into_iter().map(|fault| (fault.place.1, fault.flaw)).collect()
}

/// The log with its lines as a function leaves them.
fn edited(log: &[u8], edit: impl FnOnce(&mut Vec<&[u8]>)) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    edit(&mut lines);
    lines.concat()
}

#[test]
fn a_whole_log_has_no_fault_and_its_torn_line_is_told_of() {
    let report = judge(&log(8));
    assert_eq!((report.entries, report.head.seq, report.repaired), (8, 8, 1));
    assert_eq!(report.faults, []);
    assert_eq!(judge(b"").head, Head::default());
}

#[test]
fn it_says_which_line_and_what() {
    let log = log(8);
    // Lines 1 to 3 are entries 1 to 3, line 4 is torn, lines 5 to 9 are entries 4 to 8.
    let changed = String::from_utf8(log.clone()).unwrap().replacen("\"seq\":6", "\"seq\":9", 1).into_bytes();
    assert_eq!(flaws(&changed), [(7, Flaw::Changed)]);
    let removed = edited(&log, |lines| _ = lines.drain(5..7));
    assert_eq!(flaws(&removed), [(6, Flaw::Removed(5, 6))]);
    let swapped = edited(&log, |lines| lines.swap(6, 7));
    let swapped = flaws(&swapped);
    assert_eq!(swapped[0], (7, Flaw::Removed(6, 6)));
    assert_eq!(swapped[1], (8, Flaw::Moved(6)));
    assert_eq!(flaws(&log[..log.len() - 3]), [(9, Flaw::CutOff)]);
    let forgotten = edited(&log, |lines| _ = lines.remove(3));
    assert_eq!(flaws(&forgotten), [], "what was torn is no entry");
}

#[test]
fn a_whole_line_that_was_changed_before_a_repair_is_still_found() {
    let mut bytes = log(2);
    let changed = b"{\"seq\":3}\n";
    bytes.extend_from_slice(changed);
    let repair = What::LogRepaired { bytes: changed.len() as u64, sha256: line::hash(changed) };
    let entry = Entry {
        seq: 3,
        time: String::new(),
        who: "server".to_owned(),
        peer: None,
        change: Change::new(repair),
        prev: judge(&log(2)).head.hash,
    };
    bytes.extend_from_slice(line::seal(&entry).unwrap().0.as_bytes());
    bytes.push(b'\n');
    assert_eq!(flaws(&bytes), [(3, Flaw::Changed)]);
}

#[test]
fn a_cut_end_is_known_by_a_head_that_was_kept() {
    let (whole, shorter) = (log(8), log(6));
    let head = judge(&whole).head.hash;
    assert_eq!(judge_with(Chain::new(false, Some(head.clone())), &whole).faults, []);
    let faults = judge_with(Chain::new(false, Some(head.clone())), &shorter).faults;
    assert_eq!(faults[0].flaw, Flaw::HeadMissing(head));
}

#[test]
fn a_missing_start_is_a_fault_unless_it_is_allowed() {
    let later = edited(&log(8), |lines| _ = lines.drain(..5));
    assert_eq!(flaws(&later), [(1, Flaw::Removed(1, 4))]);
    let report = judge_with(Chain::new(true, None), &later);
    assert_eq!((report.faults.as_slice(), report.begins_at), (&[][..], Some(5)));
}

proptest! {
    #[test]
    fn a_change_of_any_byte_is_found(place in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut log = log(8);
        let place = place.index(log.len());
        prop_assume!(log[place] != to);
        log[place] = to;
        prop_assert!(!judge(&log).faults.is_empty(), "byte {place}");
    }

    #[test]
    fn bytes_put_in_or_taken_out_are_found(
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..4),
        gone in 0usize..200,
    ) {
        let whole = log(8);
        let place = place.index(whole.len());
        let end = (place + gone).min(whole.len());
        let mut changed = whole.clone();
        changed.splice(place..end, bytes);
        // What was torn is no entry and may go whole; so may the newest entries, unless a head was kept.
        let kept = judge(&changed);
        let unseen = kept.faults.is_empty();
        let harmless = edited(&whole, |lines| _ = lines.remove(3)) == changed || whole.starts_with(&changed);
        prop_assert!(!unseen || changed == whole || harmless);
    }
}
