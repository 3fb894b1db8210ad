// Which configuration a command works with: the file, and what the command line
// says in its place.
#pragma once

#include <string>

#include "app/commands.h"
#include "app/config.h"

namespace gatehouse::app {

struct ConfigFile {
  std::string path;          // empty: none, defaults hold
  std::string listen, data;  // from the command line; empty: not said
  LoadedConfig loaded;

  // Reads the file again, the command line's values over it.
  LoadedConfig read() const;
};

// Reads --config (else ./gatehouse.yaml, else /etc/gatehouse/gatehouse.yaml, else
// none), --listen and --data.
ConfigFile read_config_file(const Arguments& arguments);

}  // namespace gatehouse::app
