// Objects of identity in the program's catalog.
#pragma once

#include "model/catalog.h"

namespace gatehouse::identity {

class CatalogObjects : public Objects {
 public:
  explicit CatalogObjects(model::Catalog& catalog) : catalog_(catalog) {}

  Result<model::Object> get(std::string_view kind, std::string_view id) override {
    ASSIGN_OR_RETURN(model::Object found, catalog_.get(kind, id));
    return model::Object{std::move(found.id), std::move(found.body), found.version};
  }
  Result<std::vector<model::Object>> list(std::string_view kind) override {
    ASSIGN_OR_RETURN(auto found, catalog_.list(kind));
    std::vector<model::Object> out;
    out.reserve(found.size());
    for (model::Object& each : found) {
      out.push_back({std::move(each.id), std::move(each.body), each.version});
    }
    return out;
  }
  Result<uint64_t> put(std::string_view kind, std::string_view id, std::string_view json,
                       uint64_t expected_version) override {
    return catalog_.put(kind, id, json, expected_version, "");
  }
  Status remove(std::string_view kind, std::string_view id) override {
    return catalog_.remove(kind, id, "");
  }

 private:
  model::Catalog& catalog_;
};

}  // namespace gatehouse::identity
