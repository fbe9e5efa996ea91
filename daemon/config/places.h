/* Where an installed vitald looks. Its own file, so that building for another prefix compiles nothing else anew. */
#ifndef CONFIG_PLACES_H
#define CONFIG_PLACES_H

extern const char places_conf[];       /* the configuration that is read when none is named */
extern const char places_modules[];    /* the directory of loadable modules */

#endif
