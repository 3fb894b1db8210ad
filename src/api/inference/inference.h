// Models behind plain HTTP: the Open Inference Protocol v2
// (/v2/models/{m}[/versions/{v}]/infer), MLflow's /invocations, Azure ML's
// /score, and any JSON POST under /predict/{m}. Bodies pass untouched.
//
// Source: Open Inference Protocol, "HTTP/REST"; MLflow, "Deploy a model
// locally"; Azure Machine Learning, "Invoke online endpoints".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/caller.h"
#include "gateway/protocol.h"

namespace gatehouse::api {

enum class InferenceForm { kOpenInference, kInvocations, kScore, kPredict };

// A path of the API, taken apart.
struct InferencePath {
  InferenceForm form;
  gateway::ByteRange model;  // where the path names it; empty: it does not
};
std::optional<InferencePath> parse_inference_path(std::string_view path);

class InferenceDialect : public gateway::Dialect {
 public:
  explicit InferenceDialect(InferenceForm form) : form_(form) {}
  std::string error_body(const gateway::CallError& error) const override;
  std::string error_event(const gateway::CallError& error) const override;

 private:
  InferenceForm form_;
};

class Inference {
 public:
  explicit Inference(const Gate& gate) : gate_(gate) {}

  // REQUIRES: `path` is that of the request; a POST.
  Task<void> call(gateway::Worker& worker, net::Exchange& exchange, const InferencePath& path);

  const gateway::Dialect& dialect(InferenceForm form) const {
    return dialects_[static_cast<size_t>(form)];
  }

 private:
  Gate gate_;
  std::array<InferenceDialect, 4> dialects_ = {InferenceDialect(InferenceForm::kOpenInference),
                                               InferenceDialect(InferenceForm::kInvocations),
                                               InferenceDialect(InferenceForm::kScore),
                                               InferenceDialect(InferenceForm::kPredict)};
};

}  // namespace gatehouse::api
