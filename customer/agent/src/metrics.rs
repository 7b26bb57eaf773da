//! How busy the machine is.

use std::path::Path;

/// Percentages from 0 to 100; 0 where the machine does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Load {
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) disk: f64,
}

/// Measures the load; processor use is that since the last measurement.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    last_cpu: Option<CpuTimes>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct CpuTimes {
    busy: u64,
    total: u64,
}

impl Meter {
    /// The load now, with the disk of that directory.
    pub(crate) fn measure(&mut self, directory: &Path) -> Load {
        let cpu = std::fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|text| cpu_times(&text));
        let cpu_percent = match (self.last_cpu, cpu) {
            (Some(before), Some(now)) => percent(
                now.busy.saturating_sub(before.busy),
                now.total.saturating_sub(before.total),
            ),
            (_, _) => 0.0,
        };
        self.last_cpu = cpu;
        let memory_percent = std::fs::read_to_string("/proc/meminfo")
            .ok()
            .map_or(0.0, |text| memory_percent(&text));
        Load {
            cpu: cpu_percent,
            memory: memory_percent,
            disk: disk_percent(directory),
        }
    }
}

/// Of the line `cpu user nice system idle iowait irq softirq steal …`, idle and iowait are idle.
fn cpu_times(stat: &str) -> Option<CpuTimes> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .filter_map(|time| time.parse().ok())
        .collect();
    let total: u64 = times.iter().sum();
    let idle: u64 = times.iter().skip(3).take(2).sum();
    (times.len() >= 4).then_some(CpuTimes {
        busy: total - idle,
        total,
    })
}

fn memory_percent(meminfo: &str) -> f64 {
    let kib = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    match (kib("MemTotal:"), kib("MemAvailable:")) {
        (Some(total), Some(available)) => percent(total.saturating_sub(available), total),
        (_, _) => 0.0,
    }
}

fn disk_percent(directory: &Path) -> f64 {
    let Ok(disk) = nix::sys::statvfs::statvfs(directory) else {
        return 0.0;
    };
    #[allow(
        clippy::useless_conversion,
        reason = "the type differs between platforms"
    )]
    let (blocks, free, available): (u64, u64, u64) = (
        disk.blocks().into(),
        disk.blocks_free().into(),
        disk.blocks_available().into(),
    );
    let used = blocks.saturating_sub(free);
    // As `df` counts: what only root may use is neither used nor free.
    percent(used, used + available)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage needs no more than 52 bits"
)]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 1000.0)
        .round()
        .clamp(0.0, 1000.0)
        / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "the values are exact")]
    fn the_files_of_the_kernel_are_understood() {
        let times = cpu_times("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 1 1 1\n");
        assert_eq!(
            times,
            Some(CpuTimes {
                busy: 20,
                total: 100
            })
        );
        assert_eq!(
            memory_percent("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n"),
            75.0
        );
        assert_eq!(memory_percent("nonsense"), 0.0);
        assert_eq!(cpu_times("intr 1"), None);
        assert_eq!(percent(1, 0), 0.0);
    }

    #[test]
    fn a_measurement_is_made_of_percentages() {
        let mut meter = Meter::default();
        meter.measure(Path::new("/"));
        let load = meter.measure(Path::new("/"));
        for value in [load.cpu, load.memory, load.disk] {
            assert!((0.0..=100.0).contains(&value));
        }
        assert_eq!(meter.measure(Path::new("/no/such/place")).disk.to_bits(), 0);
    }
}
