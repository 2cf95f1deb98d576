using System.Runtime.InteropServices;

namespace Accelerated.Interop.Systemd;

/// <summary>A message that came; its arguments are read one after the other. Valid while whoever was given it runs, unless it is held.</summary>
public readonly unsafe struct BusMessage
{
    private readonly nint _message;

    internal BusMessage(nint message) => _message = message;

    /// <summary>The next argument, a text or the path of an object.</summary>
    /// <exception cref="BusException">It is of another type.</exception>
    public string ReadText(char type = 's')
    {
        byte* text;
        SystemBus.Check(Libsystemd.sd_bus_message_read_basic(_message, (byte)type, &text), "read a message");
        return Marshal.PtrToStringUTF8((nint)text) ?? "";
    }

    /// <summary>The next argument, a truth value.</summary>
    /// <exception cref="BusException">It is of another type.</exception>
    public bool ReadBoolean()
    {
        int truth;
        SystemBus.Check(Libsystemd.sd_bus_message_read_basic(_message, (byte)'b', &truth), "read a message");
        return truth != 0;
    }

    /// <summary>The next argument, a truth value in a box.</summary>
    /// <exception cref="BusException">It is of another type.</exception>
    public bool ReadBooleanVariant()
    {
        SystemBus.Check(Libsystemd.sd_bus_message_enter_container(_message, (byte)'v', "b"), "read a message");
        var truth = ReadBoolean();
        SystemBus.Check(Libsystemd.sd_bus_message_exit_container(_message), "read a message");
        return truth;
    }

    internal bool IsCall(string name, string? member) => Libsystemd.sd_bus_message_is_method_call(_message, name, member) > 0;

    internal void Fail(int errno) => _ = Libsystemd.sd_bus_reply_method_errno(_message, errno, null);

    internal nint Hold() => Libsystemd.sd_bus_message_ref(_message);

    internal nint NewReply()
    {
        nint reply;
        SystemBus.Check(Libsystemd.sd_bus_message_new_method_return(_message, &reply), "answer a call");
        return reply;
    }
}
