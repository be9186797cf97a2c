// Package people knows who is who: it joins users and devices into people with
// an Amplitude ID each, and keeps their user properties and those of groups,
// as Amplitude documents.
//
// # Identity
//
//   - A user_id is one person for good. A device is the person of the last
//     user_id that was seen on it.
//   - A device that never had a user_id is an anonymous person. The first new
//     user_id on it takes that person over, Amplitude ID and all. When the
//     user_id was known before, the anonymous person is merged into it: the
//     events before stay under the old Amplitude ID, and belong to the user.
//   - A merge leaves the user's properties as they are and adds those that
//     only the anonymous person had. (Amplitude does not document which win.)
//
// # Properties
//
// A plain event merges its user_properties into the person's table and shows
// the table. With $skip_user_properties_sync it shows only what it carries,
// and the table is neither read nor written. $identify changes the table,
// $groupidentify that of the groups it names.
//
// The same events in the same order give the same people, so nothing of this
// is stored: it is made again from the events.
package people
