using System.Text;

namespace Accelerated.Interop.Systemd;

/// <summary>An object that this process shows on the bus: one interface with properties that are read and methods without arguments.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Interface">Its interface.</param>
/// <param name="Properties">Gives its properties as they are now, in a fixed order.</param>
/// <param name="Methods">What is called; the task ends when the call is to be answered.</param>
public sealed record BusObject(
    string Path, string Interface, Func<IReadOnlyList<(string Name, BusValue Value)>> Properties, IReadOnlyDictionary<string, Func<Task>> Methods)
{
    /// <summary>The interface that D-Bus has for properties.</summary>
    internal const string PropertiesInterface = "org.freedesktop.DBus.Properties";

    /// <summary>What <c>busctl introspect</c> shows.</summary>
    internal string Introspection()
    {
        var text = new StringBuilder("<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\" \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n");
        text.Append("""
             <interface name="org.freedesktop.DBus.Properties">
              <method name="Get"><arg name="interface" type="s" direction="in"/><arg name="property" type="s" direction="in"/><arg name="value" type="v" direction="out"/></method>
              <method name="GetAll"><arg name="interface" type="s" direction="in"/><arg name="properties" type="a{sv}" direction="out"/></method>
              <signal name="PropertiesChanged"><arg type="s" name="interface"/><arg type="a{sv}" name="changed"/><arg type="as" name="invalidated"/></signal>
             </interface>

            """);
        text.Append($" <interface name=\"{Interface}\">\n");
        foreach (var (name, value) in Properties())
            text.Append($"  <property name=\"{name}\" type=\"{value.Signature}\" access=\"read\"/>\n");
        foreach (var name in Methods.Keys)
            text.Append($"  <method name=\"{name}\"/>\n");
        return text.Append(" </interface>\n</node>\n").ToString();
    }
}
