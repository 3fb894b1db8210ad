// An alert's texts in one run of bytes: labels, annotations, the generator's address. A storm
// of 100,000 alerts is 100,000 of these, an allocation each, in the place of a dozen strings;
// and a snapshot is the same bytes.
//
// Format: varint count of labels, then name and value of each as varint length and bytes; the
// same for annotations; then the address.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/alert.h"

namespace gatehouse::alerts {

std::string pack_texts(const model::Alert& alert);
model::Labels unpack_labels(std::string_view packed);
// Labels, annotations and address; times are the caller's. False: the bytes are damaged.
bool unpack_texts(std::string_view packed, model::Alert& alert);

// Numbers and texts as above, for snapshots. take_* give false where the bytes end too early.
void put_varint(std::string& out, uint64_t value);
void put_text(std::string& out, std::string_view text);
bool take_varint(std::string_view& bytes, uint64_t& value);
bool take_text(std::string_view& bytes, std::string_view& text);

}  // namespace gatehouse::alerts
