// What an evaluation has to say beside its answer, in Prometheus's words
// (util/annotations): the texts are part of its interface, scripts compare them.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "lang/promql/ast.h"
#include "lang/promql/engine.h"

namespace gatehouse::promql {

// Things that may be found in a series many times over, and are said once. Found
// deep inside the arithmetic, where neither the metric's name nor the place in the
// query is known: hence bits, which whoever knows both turns to texts.
enum Note : uint32_t {
  kNoteMixedFloatsHistograms = 1 << 0,
  kNoteHistogramIgnored = 1 << 1,  // in a range with floats
  kNoteNotCounter = 1 << 2,
  kNoteNotGauge = 1 << 3,
  kNoteMixedExponentialCustom = 1 << 4,
  kNoteReconciledAddition = 1 << 5,
  kNoteReconciledSubtraction = 1 << 6,
  kNoteReconciledAggregation = 1 << 7,
  kNoteCollisionAddition = 1 << 8,
  kNoteCollisionSubtraction = 1 << 9,
  kNoteCollisionAggregation = 1 << 10,
  kNoteStartOverlap = 1 << 11,
  kNotePossibleNonCounter = 1 << 12,
  kNoteInvalidQuantile = 1 << 13,
  kNoteIncompatibleLayout = 1 << 14,
};
using Notes = uint32_t;

// Any thread.
class Annotator {
 public:
  explicit Annotator(std::string_view query) : query_(query) {}

  // `text` without "PromQL warning: " and without the place.
  void warn(std::string_view text, Position position);
  void inform(std::string_view text, Position position);
  // Every bit of `notes`, of a series of that metric.
  void say(Notes notes, std::string_view metric, Position position);
  Annotations take();

 private:
  std::string place(Position position) const;

  std::string_view query_;
  std::mutex mutex_;
  Annotations said_;
};

// A number as Go's %g prints it, and without an exponent; a text as %q does.
std::string go_number(double value);
std::string plain_number(double value);
std::string go_quoted(std::string_view text);
// " for metric name \"x\"", or nothing where the name is not known.
std::string for_metric(std::string_view metric);

}  // namespace gatehouse::promql
