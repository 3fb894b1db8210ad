// A prometheus.yml of any bytes is read or refused with a place, and what relabelling
// it asks for runs over labels without harm.
#include "collect/prometheus_config.h"

#include "fuzz.h"

using namespace gatehouse;           // NOLINT: a program of one file
using namespace gatehouse::collect;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  // Would read any file of the machine, some of which never end.
  if (text.find("scrape_config_files") != std::string_view::npos) return 0;
  const auto config = read_prometheus_config(text, "f");
  if (!config.ok()) {
    fuzz::require(config.status().message().starts_with("f:"), "a problem has its place");
    return 0;
  }
  for (const ScrapeConfig& scrape : config->scrapes) {
    fuzz::require(!scrape.job_name.empty(), "a job has a name");
    fuzz::require(scrape.timeout_ms <= scrape.interval_ms, "a timeout fits its interval");
    for (const RelabelRules* rules : {&scrape.relabel, &scrape.metric_relabel}) {
      MutableLabels labels(model::Labels{{"__address__", "h:80"}, {"__name__", "a"}, {"b", "c"}});
      apply_rules(*rules, labels);
      for (std::size_t i = 0; i < labels.pairs().size(); ++i) {
        const auto& [name, value] = labels.pairs()[i];
        fuzz::require(!value.empty(), "no label is empty");
        fuzz::require(i == 0 || labels.pairs()[i - 1].first < name, "labels stay in order");
      }
    }
  }
  return 0;
}
