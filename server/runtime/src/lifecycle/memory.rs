//! How much memory the process can still get: of the machine, and of the control group (a container) that it is in.

use std::{fs, path::Path};

/// Bytes; `None` where the system does not say.
pub(super) fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_machine(&text));
    machine.into_iter().chain(of_group()).min()
}

/// What can be had without swapping, by the kernel's own estimate.
fn of_machine(meminfo: &str) -> Option<u64> {
    field(meminfo, "MemAvailable:").map(|kib| kib.saturating_mul(1024))
}

/// Of the group, in version 2 of Linux's control groups; `None` where it has no limit.
fn of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let file = |name: &str| fs::read_to_string(Path::new("/sys/fs/cgroup").join(group).join(name)).ok();
    left_in_group(&file("memory.max")?, &file("memory.current")?, &file("memory.stat")?)
}

/// What was read from files and not used of late counts for the group but is given back where it is needed.
fn left_in_group(max: &str, current: &str, stat: &str) -> Option<u64> {
    let max: u64 = max.trim().parse().ok()?;
    let current: u64 = current.trim().parse().ok()?;
    let files = field(stat, "inactive_file").unwrap_or(0);
    Some(max.saturating_sub(current.saturating_sub(files)))
}

/// The number after a name.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_is_available() {
        assert_eq!(of_machine("MemTotal: 9 kB\nMemAvailable:    3 kB\n"), Some(3 * 1024));
        assert_eq!(of_machine("MemTotal: 9 kB\n"), None);
        assert!(available().is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn a_group_has_what_its_limit_leaves_and_what_files_hold() {
        let stat = "anon 5\ninactive_file 10\nactive_file 7\n";
        assert_eq!(left_in_group("100\n", "60\n", stat), Some(50));
        assert_eq!(left_in_group("100\n", "200\n", stat), Some(0));
        assert_eq!(left_in_group("max\n", "60\n", stat), None);
    }
}
