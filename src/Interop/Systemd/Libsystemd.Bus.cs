using System.Runtime.InteropServices;

namespace Accelerated.Interop.Systemd;

/// <summary>The signatures of systemd/sd-bus.h, under their native names. All return the negative error number; messages and buses are pointers.</summary>
internal static unsafe partial class Libsystemd
{
    [LibraryImport(Library)]
    internal static partial int sd_bus_open_system(nint* bus);

    [LibraryImport(Library)]
    internal static partial nint sd_bus_flush_close_unref(nint bus);

    [LibraryImport(Library)]
    internal static partial int sd_bus_get_fd(nint bus);

    [LibraryImport(Library)]
    internal static partial int sd_bus_get_events(nint bus);

    [LibraryImport(Library)]
    internal static partial int sd_bus_get_timeout(nint bus, ulong* microseconds);

    [LibraryImport(Library)]
    internal static partial int sd_bus_process(nint bus, nint* message);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_request_name(nint bus, string name, ulong flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_match_signal(
        nint bus, nint* slot, string sender, string path, string @interface, string member, delegate* unmanaged<nint, void*, SdBusError*, int> callback, void* userdata);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_add_object(nint bus, nint* slot, string path, delegate* unmanaged<nint, void*, SdBusError*, int> callback, void* userdata);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_message_new_method_call(nint bus, nint* message, string destination, string path, string @interface, string member);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_message_new_signal(nint bus, nint* message, string path, string @interface, string member);

    [LibraryImport(Library)]
    internal static partial int sd_bus_message_new_method_return(nint call, nint* message);

    [LibraryImport(Library)]
    internal static partial int sd_bus_message_set_auto_start(nint message, int start);

    [LibraryImport(Library)]
    internal static partial int sd_bus_message_append_basic(nint message, byte type, void* value);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_message_open_container(nint message, byte type, string contents);

    [LibraryImport(Library)]
    internal static partial int sd_bus_message_close_container(nint message);

    [LibraryImport(Library)]
    internal static partial int sd_bus_message_read_basic(nint message, byte type, void* value);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_message_enter_container(nint message, byte type, string contents);

    [LibraryImport(Library)]
    internal static partial int sd_bus_message_exit_container(nint message);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_bus_message_is_method_call(nint message, string @interface, string? member);

    [LibraryImport(Library)]
    internal static partial nint sd_bus_message_ref(nint message);

    [LibraryImport(Library)]
    internal static partial nint sd_bus_message_unref(nint message);

    [LibraryImport(Library)]
    internal static partial int sd_bus_call(nint bus, nint message, ulong microseconds, SdBusError* error, nint* reply);

    [LibraryImport(Library)]
    internal static partial int sd_bus_send(nint bus, nint message, ulong* cookie);

    [LibraryImport(Library)]
    internal static partial int sd_bus_reply_method_errno(nint call, int error, SdBusError* details);

    [LibraryImport(Library)]
    internal static partial void sd_bus_error_free(SdBusError* error);
}

/// <summary>sd_bus_error of systemd/sd-bus.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SdBusError
{
    internal byte* name;
    internal byte* message;
    internal int need_free;
}
