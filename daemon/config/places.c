#include "config/places.h"

const char places_conf[] = VITALD_CONF;
const char places_modules[] = VITALD_MODULE_DIR;
