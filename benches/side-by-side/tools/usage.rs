//! What processes have used so far, from `/proc`.

use std::{fs, time::Duration};

/// The time on a CPU of all threads of these processes, user and system, in the scheduler's own
/// nanoseconds: `utime` and `stime` of `stat` count ticks of 10 ms.
pub(crate) fn cpu(processes: &[u32]) -> Result<Duration, String> {
    let mut sum = 0;
    for process in processes {
        let folder = format!("/proc/{process}/task");
        let threads = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        for thread in threads.flatten() {
            let path = thread.path().join("schedstat");
            // A thread may be gone meanwhile.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let first = text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
            sum += first.ok_or_else(|| format!("{}: not understood: {text}", path.display()))?;
        }
    }
    Ok(Duration::from_nanos(sum))
}

/// The peak of the resident memory of these processes, added up, in KiB.
pub(crate) fn peak(processes: &[u32]) -> u64 {
    let of_one = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    processes.iter().filter_map(of_one).sum()
}
