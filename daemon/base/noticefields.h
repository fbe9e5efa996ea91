/* The facts of a message: the keys of its JSON, the placeholders of templates ({{name}}), the variables of programs
 * (VITALD_NAME). vitald.yaml(5) tells what each means. */
#ifndef BASE_NOTICEFIELDS_H
#define BASE_NOTICEFIELDS_H

#define NOTICE_FIELDS(X) \
    X(TITLE, "title") X(TEXT, "text") X(CONTENT, "content") X(STATUS, "status") X(ACTION, "action") X(SEVERITY, "severity") \
    X(PRIORITY, "priority") X(COLOUR, "colour") X(COLOUR_NUMBER, "colour_number") X(KEY, "key") X(HOST, "host") \
    X(KIND, "kind") X(NAME, "name") X(TYPE, "type") X(TARGET, "target") X(LEVEL, "level") X(STATE, "state") \
    X(REASON, "reason") X(DETAIL, "detail") X(CAUSED_BY, "caused_by") X(CAUSES, "causes") X(AFFECTED, "affected") \
    X(AFFECTED_COUNT, "affected_count") X(GROUPS, "groups") X(CHANGES, "changes") X(SINCE, "since") X(TIME, "time") \
    X(DURATION, "duration") X(VERSION, "version")

enum notice_field {
#define X(field, name) NOTICE_##field,
    NOTICE_FIELDS(X)
#undef X
    NOTICE_FIELD_COUNT
};

#endif
