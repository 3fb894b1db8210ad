#include "app/config_file.h"

#include <unistd.h>

namespace gatehouse::app {

LoadedConfig ConfigFile::read() const {
  LoadedConfig made = path.empty() ? parse_config("", "defaults", process_environment())
                                   : load_config(path, process_environment());
  if (made.config) {
    if (!listen.empty()) {
      made.config->server.listen = {listen};
      if (!made.config->gateway.authenticate && !is_loopback(listen)) {
        made.problems.push_back("--listen " + listen +
                                ": access.authenticate is off, which holds on loopback alone; "
                                "listen on 127.0.0.1, or switch it on");
        made.config.reset();
        return made;
      }
    }
    if (!data.empty()) made.config->storage.path = data;
  }
  return made;
}

ConfigFile read_config_file(const Arguments& arguments) {
  ConfigFile file;
  file.path = arguments.get("config");
  if (file.path.empty()) {
    for (const char* usual : {"gatehouse.yaml", "/etc/gatehouse/gatehouse.yaml"}) {
      if (::access(usual, F_OK) == 0) {
        file.path = usual;
        break;
      }
    }
  }
  file.listen = arguments.get("listen");
  file.data = arguments.get("data");
  file.loaded = file.read();
  return file;
}

}  // namespace gatehouse::app
