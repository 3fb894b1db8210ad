// OpenTelemetry's AnyValue as text, the way Prometheus writes attribute values into
// labels (pcommon.Value.AsString of the collector).
#pragma once

#include <string>
#include <string_view>

#include "wire/json.h"
#include "wire/protobuf.h"

namespace gatehouse::wire {

// Values within values. Attributes are flat in practice; deeper ones are cut off.
inline constexpr int kOtlpValueDepthMax = 16;

// The text of an AnyValue message: the string itself where it is one, else what was
// written into `room`. Fails `outer` where the message is malformed.
std::string_view otlp_value(std::string_view message, std::string& room, ProtoReader& outer);
// The same of {"stringValue": ...} and its likes.
std::string_view otlp_value(JsonView value, std::string& room);

}  // namespace gatehouse::wire
