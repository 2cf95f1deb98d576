using System.Text;

namespace Accelerated.Interop.Systemd;

/// <summary>A value of D-Bus, of the types that are used here (D-Bus specification, "Type System").</summary>
public sealed record BusValue
{
    private readonly byte _type;
    private readonly object _value;

    private BusValue(char type, object value) => (_type, _value) = ((byte)type, value);

    /// <summary>The type's code: <c>s</c>, <c>b</c>, <c>i</c>, <c>u</c> or <c>v</c>.</summary>
    public string Signature => ((char)_type).ToString();

    /// <summary>A text.</summary>
    public static BusValue Of(string text) => new('s', text);

    /// <summary>A truth value.</summary>
    public static BusValue Of(bool truth) => new('b', truth ? 1 : 0);

    /// <summary>A number with a sign.</summary>
    public static BusValue Of(int number) => new('i', number);

    /// <summary>A number without.</summary>
    public static BusValue Of(uint number) => new('u', unchecked((int)number));

    /// <summary>A value in a box that says its type.</summary>
    public static BusValue Variant(BusValue inner) => new('v', inner);

    internal unsafe void AppendTo(nint message)
    {
        switch (_value)
        {
            case BusValue inner:
                SystemBus.Check(Libsystemd.sd_bus_message_open_container(message, _type, inner.Signature), "write a message");
                inner.AppendTo(message);
                SystemBus.Check(Libsystemd.sd_bus_message_close_container(message), "write a message");
                break;
            case string text:
                fixed (byte* bytes = Encoding.UTF8.GetBytes(text + '\0'))
                    SystemBus.Check(Libsystemd.sd_bus_message_append_basic(message, _type, bytes), "write a message");
                break;
            default:
                var number = (int)_value;
                SystemBus.Check(Libsystemd.sd_bus_message_append_basic(message, _type, &number), "write a message");
                break;
        }
    }
}
