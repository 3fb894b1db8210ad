// Memory. Formats: Linux, Documentation/filesystems/proc.rst; Documentation/driver-api/edac.rst.
#include <algorithm>

#include "collect/host/collectors.h"

namespace gatehouse::collect {

bool collect_meminfo(HostScope& scope) {
  const auto text = scope.files.proc("meminfo");
  if (!text) return false;
  std::string_view rest = *text, line;
  std::string name, help;
  while (next_line(rest, line)) {
    std::string_view key = next_word(line);
    const auto value = host_number(next_word(line));
    if (!key.ends_with(':') || !value) continue;
    key.remove_suffix(1);
    const bool kilobytes = next_word(line) == "kB";
    std::string field(key);
    std::erase(field, ')');  // Active(anon) -> Active_anon
    std::replace(field.begin(), field.end(), '(', '_');
    if (kilobytes) field += "_bytes";
    name = "node_memory_" + field;
    help = "Memory information field " + field + ".";
    scope.sink.gauge(name, help, kilobytes ? *value * 1024 : *value);
  }
  return true;
}

bool collect_vmstat(HostScope& scope) {
  const auto text = scope.files.proc("vmstat");
  if (!text) return false;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const std::string_view key = next_word(line);
    const bool wanted = key.starts_with("oom_kill") || key.starts_with("pgpg") ||
                        key.starts_with("pswp") ||
                        (key.starts_with("pg") && key.find("fault") != std::string_view::npos);
    const auto value = host_number(next_word(line));
    if (!wanted || !value) continue;
    const std::string name = "node_vmstat_" + std::string(key);
    const std::string help = "/proc/vmstat information field " + std::string(key) + ".";
    scope.sink.untyped(name, help, *value);
  }
  return true;
}

bool collect_edac(HostScope& scope) {
  const std::string base = "devices/system/edac/mc";
  for (const std::string& directory : scope.files.list_sys(base)) {
    if (!directory.starts_with("mc") || directory.size() == 2) continue;
    const std::string at = base + "/" + directory + "/";
    const std::string controller = directory.substr(2);
    if (const auto count = scope.files.sys_number(at + "ce_count")) {
      scope.sink.counter("node_edac_correctable_errors_total", "Total correctable memory errors.",
                         *count, {{"controller", controller}});
    }
    if (const auto count = scope.files.sys_number(at + "ue_count")) {
      scope.sink.counter("node_edac_uncorrectable_errors_total",
                         "Total uncorrectable memory errors.", *count,
                         {{"controller", controller}});
    }
    constexpr std::string_view kCorrectable = "node_edac_csrow_correctable_errors_total";
    constexpr std::string_view kUncorrectable = "node_edac_csrow_uncorrectable_errors_total";
    constexpr std::string_view kCorrectableHelp = "Total correctable memory errors for this csrow.";
    constexpr std::string_view kUncorrectableHelp =
        "Total uncorrectable memory errors for this csrow.";
    if (const auto count = scope.files.sys_number(at + "ce_noinfo_count")) {
      scope.sink.counter(kCorrectable, kCorrectableHelp, *count,
                         {{"controller", controller}, {"csrow", "unknown"}});
    }
    if (const auto count = scope.files.sys_number(at + "ue_noinfo_count")) {
      scope.sink.counter(kUncorrectable, kUncorrectableHelp, *count,
                         {{"controller", controller}, {"csrow", "unknown"}});
    }
    for (const std::string& row : scope.files.list_sys(base + "/" + directory)) {
      if (!row.starts_with("csrow") || row.size() == 5) continue;
      const std::string number = row.substr(5);
      if (const auto count = scope.files.sys_number(at + row + "/ce_count")) {
        scope.sink.counter(kCorrectable, kCorrectableHelp, *count,
                           {{"controller", controller}, {"csrow", number}});
      }
      if (const auto count = scope.files.sys_number(at + row + "/ue_count")) {
        scope.sink.counter(kUncorrectable, kUncorrectableHelp, *count,
                           {{"controller", controller}, {"csrow", number}});
      }
    }
  }
  return true;
}

}  // namespace gatehouse::collect
