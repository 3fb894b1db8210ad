#include "model/sample.h"

namespace gatehouse::model {

std::string_view name(SampleType type) {
  switch (type) {
    case SampleType::kCounter: return "counter";
    case SampleType::kGauge: return "gauge";
    case SampleType::kHistogram: return "histogram";
    case SampleType::kGaugeHistogram: return "gaugehistogram";
    case SampleType::kSummary: return "summary";
    case SampleType::kInfo: return "info";
    case SampleType::kStateset: return "stateset";
    case SampleType::kUnknown: break;
  }
  return "unknown";
}

}  // namespace gatehouse::model
